"""Mounts a file system that never answers, for this process and its children alone, and becomes the command that follows.

    unshare --mount python3 hung.py FOLDER COMMAND...

The mount is FUSE without anybody behind it: the kernel's first question is never answered, and whoever asks for the mount's
numbers waits for ever, as for a dead server. It calls itself a device, so that it is one of those that are asked. It ends with
the command, which holds its descriptor. Started by hung_mount.py; needs root, also that of a user name space, and /dev/fuse.
"""

import ctypes
import os
import sys

MS_NOSUID, MS_NODEV = 2, 4

folder, *command = sys.argv[1:]
descriptor = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(descriptor, True)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={descriptor},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
if libc.mount(b"/dev/hung", os.fsencode(folder), b"fuse", MS_NOSUID | MS_NODEV, options.encode()):
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), folder)
os.execvp(command[0], command)
