"""The names of the files of a run."""

CONFIG = "config.yaml"
METRICS = "metrics.json"
RECORD = "run.json"
STATUS = "status.json"
IMAGES, KERNELS = "images.json", "kernels.json"
LOG = "train.log"
