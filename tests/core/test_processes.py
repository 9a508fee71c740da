"""Sales in worker processes, in threads and in forked children: the same bits, and nothing compiled twice."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from flashsale_env import Simulator

PLAY = """
import hashlib
import numpy as np
from flashsale_env import Simulator

def opened(seed, sales=4, threads=None):
    simulator = Simulator("gvr-periodic", sales=sales, threads=threads)
    simulator.open(np.arange(seed, seed + sales, dtype=np.uint64), np.zeros(sales, np.int64))
    return simulator

def play(simulator, ticks):
    for tick in range(ticks):
        simulator.advance(np.full((len(simulator), 1), tick / 10, np.float32))
    return hashlib.sha256(simulator.sales.tobytes()).hexdigest()

def sale(seed):
    return play(opened(seed), 10)
"""


def run(tmp_path, main, *arguments):
    """Run a script in a new process, as a user would, and return its words; any output on standard error fails."""
    script = tmp_path / "script.py"
    script.write_text(PLAY + "\nif __name__ == '__main__':\n" + textwrap.indent(textwrap.dedent(main), "    "))
    done = subprocess.run(
        [sys.executable, str(script), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing is compiled anew, nothing warns"
    return done.stdout.split()


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Play the shape in this process, in one thread and in several, so its machine code is on disk."""
    for sales, threads in ((2, 1), (4096, 4)):
        simulator = Simulator("gvr-periodic", sales=sales, threads=threads)
        simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
        simulator.advance(np.zeros((sales, 1), np.float32))


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_worker_process_plays_the_same_sales_and_compiles_nothing(tmp_path, method):
    main = """
        import multiprocessing, sys
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            print(*pool.map(sale, [0, 4, 8, 12], chunksize=1))
        print(*map(sale, [0, 4, 8, 12]))
    """
    lines = run(tmp_path, main, method)
    assert lines[:4] == lines[4:]
    assert len(set(lines)) == 4


FORKED_BY = {
    "multiprocessing": """
        import multiprocessing, signal
        context = multiprocessing.get_context("fork")
        def child(pipe):
            signal.alarm(30)
            pipe.send(play(simulator, 5))
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=child, args=(send,))
        process.start()
        theirs = receive.recv() if receive.poll(20) else "the child is stuck"
        process.join(20)
        code = process.exitcode
    """,
    "os": """
        import os, signal, sys
        receive, send = os.pipe()
        child = os.fork()
        if not child:
            signal.alarm(30)
            os.write(send, play(simulator, 5).encode())
            sys.exit(0)  # the interpreter's regular exit, which waits for threads
        os.close(send)
        theirs = os.read(receive, 64).decode()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    """,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("forked", FORKED_BY.values(), ids=FORKED_BY)
def test_a_child_forked_in_mid_sale_after_threads_were_used_plays_on_and_exits(tmp_path, forked):
    """The parent's threads do not exist in the child, which starts its own; parent and child see the same customers.

    An alarm ends a child that waits for threads it does not have.
    """
    before = """
        import threading
        simulator = opened(0, sales=4096, threads=4)
        play(simulator, 5)
        assert any(thread.name.startswith("flashsale") for thread in threading.enumerate()), "no threads were used"
    """
    after = """
        serial = opened(0, sales=4096, threads=1)
        play(serial, 5)
        print(code, theirs, play(simulator, 5), play(serial, 5))
    """
    code, child, parent, serial = run(tmp_path, textwrap.dedent(before + forked + after))
    assert code == "0"
    assert child == parent == serial


def test_simulators_in_concurrent_threads_do_not_disturb_each_other(tmp_path):
    """More simulators than cores, each with its rows split over the shared threads."""
    main = """
        from concurrent.futures import ThreadPoolExecutor
        def batch(seed):
            return play(opened(seed, sales=1024, threads=3), 10)
        with ThreadPoolExecutor(6) as pool:
            print(*pool.map(batch, range(6)))
        print(*(play(opened(seed, sales=1024, threads=1), 10) for seed in range(6)))
    """
    lines = run(tmp_path, main)
    assert lines[:6] == lines[6:]
    assert len(set(lines)) == 6
