"""The clocks room: the loop of virtual time and the one of real time, what blocks them, and what wakes them."""
