"""The examples of README.md run as they are printed, but for the port: somebody else may have the one that they name.

An example is a fenced block that follows the comment `<!-- run: python -->` or `<!-- run: node -->`.
"""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

PORT = "4500"
FENCE = re.compile(r"<!-- run: (\w+) -->\s*```\w+\n(.*?)```", re.S)
EXAMPLES = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
COMMANDS = {
    "python": [sys.executable, "-"],
    # Node finds the `ws` of tests/clients/node_modules from the folder it is started in.
    "node": ["node", "--input-type=module", "-"],
}


def test_there_are_examples_in_both_languages():
    assert {language for language, _ in EXAMPLES} == set(COMMANDS)


@pytest.mark.parametrize(("language", "code"), EXAMPLES, ids=[f"{n}-{e[0]}" for n, e in enumerate(EXAMPLES)])
def test_example(server, language, code):
    assert PORT in code
    result = subprocess.run(
        COMMANDS[language],
        input=code.replace(PORT, str(server.port)),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT / "tests" / "clients",
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert result.returncode == 0, result.stderr
    assert "connected to monitor" in result.stdout or "cpu" in result.stdout.lower(), result.stdout
    assert result.stderr == ""
