# The service in an image: packages as the lock pins them, then the code, then the registry.
#
#   docker build -t jjt .                                       for CPUs
#   docker build -t jjt --build-arg ACCELERATOR=cuda13 .        for NVIDIA GPUs; or cuda12
#   docker build -t jjt --build-arg REGISTRY=my/functions .     another registry, a folder of this context
#   docker build -t jjt --build-arg BASE=my/python .            any base with Python 3.11 to 3.13, venv and pip

ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS packages
ARG ACCELERATOR=cpu
ARG REGISTRY=registry
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=/src/requirements.lock
WORKDIR /src
# The lock constrains, so that what only another registry needs stays out.
COPY requirements.lock ./
RUN python3 -m venv /build \
    && /build/bin/pip install --quiet hatchling \
    && python3 -m venv --without-pip /opt/python
# The names of the packages are in pyproject.toml: install them with an empty app, so that this layer
# is made anew only when the packages change, and not when the code does.
COPY pyproject.toml README.md LICENSE ./
RUN mkdir app && touch app/__init__.py \
    && /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /names . \
    && /build/bin/pip --python /opt/python/bin/python3 install --quiet "$(echo /names/*.whl)[traces]" \
    && /build/bin/pip --python /opt/python/bin/python3 uninstall --quiet --yes jjt \
    && if [ "$ACCELERATOR" != cpu ]; then \
        /build/bin/pip --python /opt/python/bin/python3 install --quiet "jax[$ACCELERATOR]"; fi
COPY LICENSE ${REGISTRY}/requirements.tx[t] /needs/
RUN if [ -f /needs/requirements.txt ]; then \
        /build/bin/pip --python /opt/python/bin/python3 install --quiet --requirement /needs/requirements.txt; fi

FROM packages AS code
COPY app app
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/python/bin/python3 install --quiet --no-deps --target /opt/jjt /wheels/*.whl

FROM ${BASE}
ARG REGISTRY=registry
LABEL org.opencontainers.image.title="jjt" \
    org.opencontainers.image.description="J(x1) J(x2)ᵀ of registered JAX functions over HTTP" \
    org.opencontainers.image.licenses="Apache-2.0"
# Only /data is written to, so that the rest can be read-only; HOME and TMPDIR are for packages that
# functions bring.
RUN mkdir /data && chown 10001:10001 /data
COPY --from=packages /opt/python /opt/python
COPY --from=code /opt/jjt /opt/jjt
COPY ${REGISTRY} /registry
ENV PATH=/opt/jjt/bin:/opt/python/bin:$PATH PYTHONPATH=/opt/jjt PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/data TMPDIR=/data \
    JJT_HOST=0.0.0.0 JJT_PORT=8000 JJT_REGISTRY=/registry JJT_DATA=/data JJT_LOG=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["python3", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['JJT_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["jjt"]
CMD ["serve"]
