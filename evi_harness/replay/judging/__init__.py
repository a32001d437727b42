"""How a replay is compared with its recording, and what of it is a deviation or a finding."""
