"""Networks as ONNX files: they are written with torch, and run without it."""
