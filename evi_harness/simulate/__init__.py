"""The simulator: an EVI without a recording, scripted or parroting. Pure: no I/O, no clock."""
