"""An EVI with no recording: a scripted or parroting partner. Pure: no I/O, no clock."""
