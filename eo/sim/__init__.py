"""Campaigns of known truth: the judge of the whole flow."""
