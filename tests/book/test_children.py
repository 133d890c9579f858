"""What is seen of the processes that a run has started."""

import subprocess
import sys

from pcn_lib.book.children import Usage

WORKING = "import time\nwhile time.process_time() < 1.5: pass"


def test_time_is_what_the_cores_worked_and_not_what_went_by():
    with Usage() as working:
        subprocess.run([sys.executable, "-c", WORKING], check=True)
    with Usage() as waiting:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1.5)"], check=True)
    # The last look is up to half a second before the end.
    assert 0.9 < working.core_seconds < 1.6
    assert (waiting.core_seconds or 0) < 0.5
