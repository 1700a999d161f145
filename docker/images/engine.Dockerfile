# The image of one running game. rtmanager starts it, with limits from its labels and the game's state mounted.
#
# Nothing is fetched in here; the context and its layout are those of service.Dockerfile. Versions of it share every layer.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

RUN printf 'seatrial:x:10001:10001:seatrial:/nonexistent:/usr/sbin/nologin\n' >>/etc/passwd \
    && printf 'seatrial:x:10001:\n' >>/etc/group \
    && touch --date=@315532800 /etc/passwd /etc/group /etc

# Without a mount the state lives and dies with the container.
ENV PYTHONPATH=/opt/service/app:/opt/service/lib \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/service/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GAME_STATE_PATH=/var/lib/engine \
    ENGINE_HTTP_ADDR=0.0.0.0:8080 \
    SEATRIAL_HEALTHCHECK=ENGINE_HTTP_ADDR/healthz
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/service/healthcheck.py"]
ENTRYPOINT ["/opt/service/bin/start"]

COPY dependencies/ /
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/service/lib \
    && find /opt -newermt 1980-01-02 -exec touch --no-dereference --date=@315532800 {} +
COPY service/ /
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/service/app \
    && find /opt -newermt 1980-01-02 -exec touch --no-dereference --date=@315532800 {} + \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/engine \
    && touch --date=@315532800 /var/lib/engine /var/lib
USER 10001:10001

ARG VERSION
ARG CPUS=0.5
ARG MEMORY=128m
ARG PIDS=64
LABEL org.opencontainers.image.title=engine \
    org.opencontainers.image.version=${VERSION} \
    seatrial.engine.cpus=${CPUS} \
    seatrial.engine.memory=${MEMORY} \
    seatrial.engine.pids=${PIDS}
