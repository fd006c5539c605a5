"""What ends a keeper is put off while it does what must not be half done"""

import os
import signal
import threading

import pytest

from pytest_tfserving.backends import signals


class Ended(BaseException):
    pass


@pytest.fixture(params=[signal.SIGTERM, signal.SIGUSR1])
def number(request):
    def end(*_):
        raise Ended

    before = signal.signal(request.param, end)
    yield request.param
    signal.signal(request.param, before)


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_signal_has_its_effect_after_the_block(number, in_thread):
    done = []
    with pytest.raises(Ended):
        with signals.put_off():
            if in_thread:
                other = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), number))
                other.start()
                other.join()
            else:
                os.kill(os.getpid(), number)
            done.append("first step")
            done.append("second step")
        done.append("afterwards")
    assert done == ["first step", "second step"]


def test_without_a_signal_all_is_as_before(number):
    with signals.put_off():
        pass
    with pytest.raises(Ended):
        os.kill(os.getpid(), number)
        signal.sigtimedwait([], 1)  # where it has its effect
