"""Reports: results as data, and as text for terminals and CI."""
