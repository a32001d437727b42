"""Clocks: the event loops of virtual and real time, and everything that blocks or wakes them."""
