"""Networks as ONNX files and OpenVINO models: they are written with torch, and run without it."""
