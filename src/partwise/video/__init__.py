"""Videos: read frame by frame, followed by track, written again as a video and as one line of JSON a frame."""
