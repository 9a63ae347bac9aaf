"""Gives birth to grokscope processes with PyTorch already imported: 10 ms each instead of seconds.

Run as a script. Each line of JSON on stdin asks for one process, which runs the command line as `python -m grokscope`
would; lines of JSON on stdout tell of births and deaths. Nothing may start a thread here before the forks.
"""

import atexit
import json
import os
import resource
import select
import signal
import sys
from importlib import import_module
from typing import Any

import cli_moments

IMPORTED = (
    "grokscope.cli.display",
    "grokscope.cli.main",
    "grokscope.training.launch",
    "grokscope_torch.session",
    "torch._dynamo",  # AdamW's constructor imports it, in 1 s
)


def born() -> dict[str, Any]:
    """Serve requests; returns in each child, with its request."""
    for module in IMPORTED:
        import_module(module)
    waiting, parent = b"", os.getppid()
    _tell(ready=True)
    while os.getppid() == parent:
        if select.select([0], [], [], 0.01)[0]:
            data = os.read(0, 1 << 16)
            if not data:
                os._exit(0)
            *requests, waiting = (waiting + data).split(b"\n")
            for request in map(json.loads, requests):
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the child can answer it
                process = os.fork()
                if process == 0:
                    return request
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
                _tell(born=process)
        _tell_of_deaths()
    os._exit(0)  # whoever ran the tests was killed


def _tell(**fact: Any) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def _tell_of_deaths() -> None:
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        _tell(died=process, code=os.waitstatus_to_exitcode(status))


def live(request: dict[str, Any]) -> None:
    """Be the process that was asked for."""
    for file, descriptor in ((os.devnull, 0), (request["stdout"], 1), (request["stderr"], 2)):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(file, flags, 0o644), descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may do so under nohup
    if request["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"], resource.RLIM_INFINITY))
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["grokscope", *request["arguments"]]
    from grokscope.__main__ import start

    if request["moment"]:
        cli_moments.arm(request["moment"])
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    except KeyboardInterrupt:  # it came before there was a command line
        os._exit(130)
    try:
        start()
    except SystemExit as end:
        sys.stdout.flush()
        if request["moment"]:
            atexit._run_exitfuncs()
        os._exit(int(end.code or 0))  # without taking PyTorch apart module by module, in 0.5 s


if __name__ == "__main__":
    live(born())
