"""YOLOv5: the network, safe reading of checkpoints, ONNX export and training, and the model family ``yolov5``."""
