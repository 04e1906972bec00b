"""What all tests share: one TensorFlow process, and folders of their own."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
