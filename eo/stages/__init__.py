"""The work itself, in the order of the data flow."""
