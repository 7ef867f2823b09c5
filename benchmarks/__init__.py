"""Side by side in one run, on one machine: ratios count, absolute figures are the machine's."""
