"""multipart/form-data: forms as curl and browsers send them."""

import numpy as np
import pytest

from app import wire
from tests.wire import bodies
from tests.wire.bodies import part

ONE = np.arange(3.0)


def test_files_are_arrays_and_fields_are_options():
    body = bodies.form(
        part("function", "f"),
        part("x1", bodies.npy(ONE), "a.npy", "Content-Type: application/octet-stream\r\n"),
        part("x2.position", bodies.npy(ONE), ""),
        part("deadline_seconds", "2.5", extra="Content-Type: text/plain; charset=utf-8\r\n"),
        part("wrt", "params.é"),
    )
    message = wire.decode(bodies.FORM, body, bodies.LIMIT_BYTES)
    assert sorted(message.arrays) == ["x1", "x2.position"]
    assert message.options == {"function": "f", "deadline_seconds": 2.5, "wrt": "params.é"}
    assert message.weak == frozenset()


@pytest.mark.parametrize("boundary", ["------------------------d74496d66958873e", "a b", "x'()+_,-./:=?"])
def test_boundaries_of_real_clients_are_found(boundary):
    body = bodies.form_of(x1=ONE).replace(b"--edge", b"--" + boundary.encode())
    message = wire.decode(f'multipart/form-data; boundary="{boundary}"', body, bodies.LIMIT_BYTES)
    assert message.arrays["x1"].tolist() == ONE.tolist()


def test_data_that_look_like_boundaries_stay_data():
    tricky = np.frombuffer(b"\r\n--edge \r\n--edg\r\n--edgy\r\n\r\n--", np.uint8)
    tricky = tricky[: tricky.size]
    message = wire.decode(bodies.FORM, bodies.form_of(x1=tricky[8:]), bodies.LIMIT_BYTES)
    assert message.arrays["x1"].tobytes() == tricky[8:].tobytes()


def test_text_around_the_form_is_ignored():
    body = b"\r\n" + bodies.form_of(x1=ONE) + b"\r\nepilogue"
    assert wire.decode(bodies.FORM, body, bodies.LIMIT_BYTES).arrays["x1"].size == 3
