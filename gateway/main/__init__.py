"""The composition root: builds everything from the configuration, and is imported by nobody.

``services`` builds what judges and keeps, ``worker`` adds the protocols and runs them, ``supervisor`` keeps
N workers alive, ``command`` is the ``mailward`` program.
"""

import os

# onnxruntime from 1.29 on reports its use to its maker and leaves a device's number in the home folder unless this is
# set before its first session. Nothing leaves the machine unasked, so it is, for this process and all that it starts.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
