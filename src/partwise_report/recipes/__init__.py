"""The experiments of the report and of the paper behind it, and the repairs of the ordering."""
