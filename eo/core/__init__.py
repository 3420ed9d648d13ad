"""Records, seams, grid, campaign, errors: what everything else stands on."""
