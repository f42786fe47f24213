"""What scores a mail: the one view of it, its features, the word model, the language model, and their sum."""

import os

# onnxruntime from 1.29 on reports its use to its maker and leaves a device's number in the home folder unless this is
# set before its first session. Nothing leaves the machine unasked, so it is, for this process and all that it starts.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
