"""Read the truth and result files, and say what is wrong with them."""
