"""Tables 1-7, filled and written in every format."""
