"""Files of users and of runs: paths, regular files, YAML, ONNX, and quoting for shells."""
