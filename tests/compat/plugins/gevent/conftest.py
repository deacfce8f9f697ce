# SPDX-License-Identifier: MIT
from gevent import monkey

monkey.patch_all()
