"""The catalog: files to functions, versions, reload, and JAX's global state as it was."""

import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import jax
import numpy as np
import pytest

from app.catalog import Catalog
from app.errors import LoadError, UnknownFunction, UnknownVersion

HEAD = "import numpy as np\nimport jax.numpy as jnp\nfrom app import ArraySpec, Function, function\n\n"
SCALE = (
    HEAD
    + "@function(x=ArraySpec('float32', (3,)), params=lambda: np.full(3, {value}, np.float32))\n"
    + "def {name}(params, x):\n    '''Scales.'''\n    return params * x\n"
)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a registry file, with a time of change that no earlier write had."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    later = path.stat().st_mtime_ns + 1_000_000 if path.exists() else None
    path.write_text(text)
    if later:
        os.utime(path, ns=(later, later))
    return path


def scale(name: str = "scale", value: float = 2.0) -> str:
    return SCALE.format(name=name, value=value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "registry"
    made.mkdir()
    return made


def loaded(*folders: Path) -> Catalog:
    catalog = Catalog(folders)
    catalog.load()
    return catalog


def refused(folder: Path) -> str:
    """Why the folder does not load; the path is part of the reason."""
    with pytest.raises(LoadError) as caught:
        loaded(folder)
    assert str(caught.value.path) in str(caught.value)
    return caught.value.reason


def test_a_file_is_a_function(folder):
    write(folder, "scale.py", scale())
    catalog = loaded(folder)
    function = catalog.get("scale")
    assert function.doc == "Scales."
    assert catalog.functions == {"scale": function}
    assert len(function.version) == 8
    assert int(function.version, 16) >= 0


def test_a_file_may_hold_several_functions_and_they_are_sorted_by_name(folder):
    write(folder, "many.py", scale("b") + scale("a").removeprefix(HEAD) + "again = a\n")
    write(folder, "c.py", scale("aa"))
    assert list(loaded(folder).functions) == ["a", "aa", "b"]


def test_a_folder_is_a_function_with_its_weights_beside_it(folder):
    text = scale("weighted").replace(
        "lambda: np.full(3, 2.0, np.float32)", "lambda: np.load(Path(__file__).parent / 'w.npy')"
    )
    write(folder, "weighted/__init__.py", "from pathlib import Path\nfrom ._part import nothing\n" + text)
    write(folder, "weighted/_part.py", "nothing = None\n")
    np.save(folder / "weighted" / "w.npy", np.arange(3, dtype=np.float32))
    first = loaded(folder).get("weighted").version
    np.save(folder / "weighted" / "w.npy", np.arange(1, 4, dtype=np.float32))
    assert loaded(folder).get("weighted").version != first


@pytest.mark.parametrize(
    "name", ["_draft.py", ".hidden.py", "notes.txt", "_folder/__init__.py", "data/table.csv"]
)
def test_what_begins_with_an_underscore_or_is_no_python_is_skipped(folder, name):
    write(folder, name, "raise RuntimeError('it was read')")
    write(folder, "scale.py", scale())
    assert list(loaded(folder).functions) == ["scale"]


def test_an_empty_registry_holds_nothing(folder):
    assert loaded(folder).functions == {}


def test_several_folders_are_one_registry(folder, tmp_path):
    write(folder, "a.py", scale("a"))
    write(tmp_path / "other", "b.py", scale("b"))
    assert list(loaded(folder, tmp_path / "other").functions) == ["a", "b"]


def test_two_functions_of_one_name_stop_the_start_and_both_files_are_named(folder):
    first, second = write(folder, "a.py", scale()), write(folder, "b.py", scale())
    reason = refused(folder)
    assert "scale" in reason
    assert str(first) in reason or str(second) in reason


def test_one_value_seen_twice_counts_once(folder):
    write(folder, "scale.py", scale() + "alias = scale\nothers = [scale]\n")
    assert list(loaded(folder).functions) == ["scale"]


SPEC = "ArraySpec('float32', (3,))"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (scale("stats"), "reserved"),
        (scale().replace("'float32'", "'complex64'"), "two real arrays"),
        (scale().replace("(3,)", "('tokens',)"), "tokens"),
        (scale().replace("(3,)", "(0,)"), "positive"),
        (scale().replace("'float32'", "'float31'"), "float31"),
        (scale().replace("params=", "name='1 2', params="), "name"),
        (scale().replace("params=", "wrt='params.head', params="), "params.head"),
        (scale().replace("params=", "wrt='theta', params="), "theta"),
        (scale().replace("params=", "warm=[(0, 1)], params="), "warm holds (0, 1)"),
        (scale().replace("params=", "warm=[3], params="), "warm holds 3"),
        (scale().replace("return params * x", "return params @ jnp.ones(4) * x"), ""),
        (scale().replace("return params * x", "return jnp.fft.fft(x)"), "complex"),
        (scale().replace("return params * x", "return x > 0"), "bool"),
        (scale().replace("lambda: ", "lambda: 1 / 0 and "), "ZeroDivisionError"),
        ("x = 1\n", "no function"),
        ("def broken(:\n", "SyntaxError"),
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("raise RuntimeError('of its own')\n", "of its own"),
        ("import sys\nsys.exit(3)\n", "3"),
        ("\x00", ""),
    ],
)
def test_a_file_that_does_not_load_stops_the_start_with_its_path_and_the_reason(folder, text, said):
    path = write(folder, "bad.py", text)
    write(folder, "scale_too.py", scale("fine"))
    with pytest.raises(LoadError) as caught:
        loaded(folder)
    assert caught.value.path == path
    assert said in caught.value.reason


def test_a_folder_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(LoadError, match="no such folder"):
        loaded(tmp_path / "nowhere")


def test_checking_names_every_file_with_what_it_holds_or_why_not(folder):
    good, bad, twice = (
        write(folder, name, text) for name, text in (("a.py", scale()), ("b.py", "x ="), ("c.py", scale()))
    )
    found = {
        path: "refused" if isinstance(held, LoadError) else [each.name for each in held]
        for path, held in Catalog([folder]).check()
    }
    assert found == {good: ["scale"], bad: "refused", twice: "refused"}


def test_a_version_changes_with_the_file_and_with_the_parameters_and_with_nothing_else(folder, tmp_path):
    write(folder, "scale.py", scale(value=2.0))
    first = loaded(folder).get("scale").version
    assert loaded(folder).get("scale").version == first
    write(folder, "scale.py", scale(value=3.0))
    assert loaded(folder).get("scale").version != first
    write(folder, "scale.py", scale(value=2.0))
    assert loaded(folder).get("scale").version == first
    write(folder, "scale.py", scale(value=2.0) + "# a comment\n")
    assert loaded(folder).get("scale").version != first
    copy = tmp_path / "elsewhere"
    write(folder, "scale.py", scale(value=2.0))
    shutil.copytree(folder, copy)
    assert loaded(copy).get("scale").version == first


def test_parameters_from_elsewhere_are_part_of_the_version(folder, tmp_path):
    weights = tmp_path / "w.npy"
    np.save(weights, np.ones(3, np.float32))
    text = scale().replace("lambda: np.full(3, 2.0, np.float32)", f"lambda: np.load({str(weights)!r})")
    write(folder, "scale.py", text)
    first = loaded(folder).get("scale").version
    np.save(weights, np.zeros(3, np.float32))
    assert loaded(folder).get("scale").version != first


def test_an_integer_of_python_among_the_parameters_is_configuration_and_part_of_the_version(folder, tmp_path):
    steps = tmp_path / "steps.npy"
    np.save(steps, 3)
    params = f"lambda: {{'by': np.float32(2), 'steps': int(np.load({str(steps)!r}))}}"
    text = scale().replace("lambda: np.full(3, 2.0, np.float32)", params)
    text = text.replace("return params * x", "return sum(params['by'] * x for _ in range(params['steps']))")
    assert "range" in text
    write(folder, "scale.py", text)
    first = loaded(folder).get("scale").version
    np.save(steps, 4)
    assert loaded(folder).get("scale").version != first


def test_a_declared_version_is_kept(folder):
    write(folder, "scale.py", scale().replace("params=", "version='2024.1', params="))
    catalog = loaded(folder)
    assert catalog.get("scale@2024.1").version == "2024.1"


@pytest.mark.parametrize("version", ["a b", "a@b", "ä", "x" * 65, "\\n"])
def test_a_declared_version_that_could_not_be_asked_for_is_refused(folder, version):
    write(folder, "scale.py", scale().replace("params=", f"version='{version}', params="))
    assert "version" in refused(folder)


def test_versions_are_kept_between_starts_and_a_damaged_file_of_them_harms_nothing(folder, tmp_path):
    write(folder, "scale.py", scale())
    versions = []
    for content in (None, None, "{", "[]", '{"a": 1}'):
        data = tmp_path / "data"
        if content is not None:
            for file in data.rglob("*.json"):
                file.write_text(content)
        catalog = Catalog([folder], data)
        catalog.load()
        versions.append(catalog.get("scale").version)
    assert len(set(versions)) == 1


@pytest.mark.parametrize(
    "name", ["", "scal", "../scale", "scale\x00", "__class__", "x" * 10_000, "SCALE", " scale"]
)
def test_an_unknown_name_is_refused_in_few_words(folder, name):
    write(folder, "scale.py", scale())
    with pytest.raises(UnknownFunction, match="scale") as caught:
        loaded(folder).get(name)
    assert len(caught.value.detail) < 300


@pytest.mark.parametrize("version", ["", "latest", "00000000", "@", "x" * 10_000])
def test_another_version_is_refused_and_the_one_that_is_here_is_named(folder, version):
    write(folder, "scale.py", scale())
    catalog = loaded(folder)
    here = catalog.get("scale").version
    assert catalog.get(f"scale@{here}").name == "scale"
    with pytest.raises(UnknownVersion, match=here) as caught:
        catalog.get(f"scale@{version}")
    assert len(caught.value.detail) < 300


def test_a_reload_brings_what_changed_and_leaves_the_rest_as_it_was(folder):
    write(folder, "a.py", scale("a"))
    write(folder, "b.py", scale("b"))
    write(folder, "c.py", scale("c"))
    catalog = loaded(folder)
    before = dict(catalog.functions)
    write(folder, "b.py", scale("b", 5.0))
    (folder / "c.py").unlink()
    write(folder, "d.py", scale("d"))
    brought = catalog.reload()
    assert {each.name for each in brought.changed} == {"b", "d"}
    assert {(each.name, each.version) for each in brought.removed} == {
        ("b", before["b"].version),
        ("c", before["c"].version),
    }
    assert list(catalog.functions) == ["a", "b", "d"]
    assert catalog.get("a") is before["a"], "what was compiled for it is kept"
    assert catalog.failed == ()
    assert catalog.reload().changed == ()


def test_a_function_of_the_same_version_stays_the_same_value(folder):
    write(folder, "a.py", scale("a"))
    catalog = loaded(folder)
    before = catalog.get("a")
    write(folder, "a.py", scale("a"))
    assert catalog.reload().changed == ()
    assert catalog.get("a") is before


def test_a_reload_that_fails_keeps_the_old_version_and_names_the_file(folder):
    bad = write(folder, "a.py", scale("a"))
    write(folder, "b.py", scale("b"))
    catalog = loaded(folder)
    before = catalog.get("a")
    write(folder, "a.py", "def broken(:")
    write(folder, "b.py", scale("b", 5.0))
    assert {each.name for each in catalog.reload().changed} == {"b"}, "one bad file leaves the others alone"
    assert catalog.get("a") is before
    assert [error.path for error in catalog.failed] == [bad]
    catalog.reload()
    assert [error.path for error in catalog.failed] == [bad], "it still fails"
    write(folder, "a.py", scale("a", 7.0))
    assert {each.name for each in catalog.reload().changed} == {"a"}
    assert catalog.failed == ()


def test_a_reload_that_would_give_two_functions_one_name_is_refused(folder):
    write(folder, "a.py", scale("a"))
    write(folder, "b.py", scale("b"))
    catalog = loaded(folder)
    bad = write(folder, "b.py", scale("a", 9.0))
    assert catalog.reload().changed == ()
    assert list(catalog.functions) == ["a", "b"]
    assert [error.path for error in catalog.failed] == [bad]


def test_a_registry_that_vanishes_keeps_serving(folder):
    write(folder, "a.py", scale("a"))
    catalog = loaded(folder)
    shutil.rmtree(folder)
    assert catalog.reload().removed == ()
    assert list(catalog.functions) == ["a"]
    assert [error.path for error in catalog.failed] == [folder]


@pytest.mark.parametrize(
    "leak",
    [
        "jax.config.update('jax_enable_x64', True)",
        "jax.config.update('jax_default_matmul_precision', 'bfloat16')",
        "jax.config.update('jax_numpy_dtype_promotion', 'strict')",
        "jax.config.update('jax_debug_nans', True)",
        "jax.config.update('jax_enable_x64', True)\nraise RuntimeError('and it fails too')",
    ],
)
def test_what_a_file_does_to_jax_is_undone(folder, leak):
    names = [name for name in dir(jax.config) if name.startswith("jax_")]
    before = {name: getattr(jax.config, name) for name in names}
    write(folder, "leaky.py", scale("leaky").replace("\n\n", f"\nimport jax\n{leak}\n\n", 1))
    catalog = Catalog([folder])
    with pytest.raises(LoadError, match="and it fails") if "raise" in leak else nullcontext():
        catalog.load()
    assert {name: getattr(jax.config, name) for name in names} == before
    assert jax.numpy.ones(2).dtype == np.float32


def test_a_function_of_a_file_that_turned_float64_on_is_float32_as_declared(folder):
    leak = "\nimport jax\njax.config.update('jax_enable_x64', True)\n\n"
    write(folder, "leaky.py", scale("leaky").replace("\n\n", leak, 1))
    from app.engine import Engine
    from tests.engine.ask import ask

    function = loaded(folder).get("leaky")
    matrix = ask(Engine(memory_bytes=1 << 30), function, np.ones(3, np.float32))
    np.testing.assert_array_equal(matrix, 4 * np.eye(3, dtype=np.float32))
    assert matrix.dtype == np.float32


def test_a_file_that_is_loaded_again_is_imported_afresh(folder):
    write(folder, "pack/__init__.py", "from ._value import VALUE\n" + scale("pack").replace("2.0", "VALUE"))
    write(folder, "pack/_value.py", "VALUE = 2.0\n")
    catalog = loaded(folder)
    write(folder, "pack/_value.py", "VALUE = 3.0\n")
    (changed,) = catalog.reload().changed
    assert changed.params is not None
    np.testing.assert_array_equal(changed.params(), np.full(3, 3.0, np.float32))
