"""Looks for faults of contrast, names and order on every screen of `mien annotate`, by axe-core.

    npm install axe-core
    python benchmarks/contrast.py node_modules/axe-core/axe.min.js

The list, the three kinds of task, the help and the stick's dialog are opened in Chromium at 420, 1280 and
1920 pixels, light and dark. A line is printed for each screen, and each violation with what it is about; the
exit status is 1 where there is one. It needs Chromium, its driver, selenium and mien's extras.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import mien

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser.annotating import NAMES, Server, make_project
from browser.chromium import Browser, chromium

SCREENS = {
    "list": ("", "", "return document.querySelector('.items')"),
    **{
        f"{task}{' and ' + dialog[0] if dialog else ''}": (
            f"#/{task}/talk.mp4/0",
            dialog[1] if dialog else "",
            "return document.querySelector('video')?.readyState >= 2",
        )
        for task in ("valence", "expressions", "units")
        for dialog in ((), ("keys", "?"), *((("stick", "g"),) if task == "valence" else ()))
    },
}
"""Name of a screen -> its address, the key that opens a dialog, and when it is there."""

CHECK = """\
const done = arguments[arguments.length - 1];
axe.run(document).then(({violations, passes}) => done({
  checked: passes.length + violations.length,
  violations: violations.map(({id, help, nodes}) => `${id}: ${help}: ${nodes[0].html.slice(0, 200)}`),
}));
"""


def check(browser: Browser, axe: str) -> dict[str, Any]:
    """Return how many rules were checked on what is shown, and what violates one."""
    browser.run(axe)
    return dict(browser.wait_for(CHECK))


def main() -> None:
    """Check every screen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axe", type=Path, help="axe.min.js of axe-core.")
    axe = parser.parse_args().axe.read_text(encoding="utf-8")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        sys.exit("chromium and chromedriver are needed")
    sample = Path(mien.__file__).parent / "samples/portraits.mp4"
    faults = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(make_project(Path(folder) / "talks", sample)) as server,
        chromium(program, driver) as browser,
    ):
        for theme in ("light", "dark"):
            for width in (420, 1280, 1920):
                for name, (place, key, there) in SCREENS.items():
                    browser.open("about:blank")
                    browser.open(server.addresses[NAMES[0]] + place, width, 900, theme)
                    browser.until(there)
                    if key:
                        browser.press(key)
                    found = check(browser, axe)
                    print(
                        f"{theme}, {width}, {name}: {found['checked']} rules",
                        *found["violations"],
                        sep="\n  ",
                    )
                    faults += len(found["violations"])
    print(f"{faults} violations")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
