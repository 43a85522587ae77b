# The connector's image: base, locked dependencies, connector. No build tools, no tests.
#   make image            or, on another base:   make image BASE_IMAGE=...
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6

# The dependencies, in an environment without pip. This layer changes only with the lock file.
FROM ${BASE_IMAGE} AS dependencies
USER root
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY locks/image.lock /build/
# --no-deps: the lock file is complete but for locks/image-excludes.txt.
RUN python -m venv --without-pip /opt/connector \
 && python -m pip --python /opt/connector/bin/python install --no-compile --no-deps --require-hashes --only-binary :all: -r /build/image.lock

# Drop the packages' tests, and botocore's API models of every service except S3 and those it signs in with. Compile what a
# sync imports, because the user `airbyte` can't write bytecode at run time.
RUN cd /opt/connector/lib/python3*/site-packages \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} + \
 && python -m compileall -q annotated_types boto3 botocore certifi charset_normalizer dateutil idna jmespath pydantic \
      requests s3transfer typing_inspection urllib3 six.py typing_extensions.py

# The CDK imports xmltodict, which locks/image-excludes.txt leaves out; a destination never calls it.
COPY tools/image/xmltodict.py /build/
RUN cp /build/xmltodict.py /opt/connector/lib/python3*/site-packages/

# The connector's wheel, installed under its own root so that it becomes a layer of its own.
FROM dependencies AS connector
COPY locks/build.lock /build/
RUN python -m venv /build/tools && /build/tools/bin/pip install --require-hashes -r /build/build.lock
COPY pyproject.toml LICENSE /build/source/
COPY docs/pypi.md /build/source/docs/
COPY destination_customerio /build/source/destination_customerio
RUN cd /build/source && /build/tools/bin/python -m hatchling build --target wheel \
 && python -m pip --python /opt/connector/bin/python install --no-deps --no-index --root /build/root dist/*.whl
# Process 1 ignores a signal without a handler, but keeps one that is blocked until Python is ready for it. One that comes
# before the engine has started this script is lost, but then nothing has been read either.
RUN sed -i '1s|^#!|#!/usr/bin/env -S --block-signal=TERM,INT |' /build/root/opt/connector/bin/destination-customerio

FROM ${BASE_IMAGE}
COPY --from=dependencies /opt/connector /opt/connector
COPY --from=connector /build/root/ /

USER airbyte
WORKDIR /airbyte/integration_code
# The platform runs AIRBYTE_ENTRYPOINT, `docker run` runs ENTRYPOINT; keep them equal.
ENV PATH="/opt/connector/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    AIRBYTE_ENTRYPOINT="destination-customerio"
ENTRYPOINT ["destination-customerio"]

# Last, because they differ from commit to commit. `make image` fills them in.
ARG REVISION=""
ARG CREATED=""
LABEL io.airbyte.name="ghcr.io/example-owner/destination-customerio" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.title="destination-customerio" \
      org.opencontainers.image.description="Airbyte destination that sends warehouse rows to Customer.io: in order, at least once, with every rejected row accounted for. An independent project, not affiliated with Airbyte or Customer.io." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/example-owner/destination-customerio" \
      org.opencontainers.image.documentation="https://github.com/example-owner/destination-customerio/blob/main/README.md" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
