# To be sourced: a `uv` from requirements/uv.txt, for the verbs that resolve versions. It reads the package index from
# pip's variables, so that one configuration serves both.
if [ ! -x .venv/uv/bin/uv ] || ! cmp -s requirements/uv.txt .venv/uv/requirements.txt; then
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --upgrade --require-hashes \
        --target .venv/uv --requirement requirements/uv.txt
    cp requirements/uv.txt .venv/uv/requirements.txt
fi
[ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}
[ -z "${PIP_EXTRA_INDEX_URL:-}" ] || export UV_INDEX=${UV_INDEX:-$PIP_EXTRA_INDEX_URL}
uv() { .venv/uv/bin/uv "$@"; }
