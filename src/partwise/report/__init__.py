"""What a person sees: overlays, comparison pictures, result files, and the page that a run ends with."""
