"""Pure functions on numbers: nothing here knows of cases, devices or files."""
