# The image of any service of this repository: SERVICE, its prefix and ports are build arguments.
#
# Nothing is fetched in here. The context is made by integration/contracts/staging.py (`make docker-images` builds all images):
#   dependencies/    /opt/service/lib: what requirements/<service>.txt locks, for the Python and the platform of the base
#   service/         /opt/service/app: the service and servicekit, from their wheels; /opt/service/bin: the launcher, under the
#                    service's name and as `start`; /opt/service/healthcheck.py, which asks the admin listener
#
# Every file gets the same time, and bytecode is valid by its source's hash: the same context gives the same layers. Whole trees
# are copied to /, because the classic builder gives directories that it makes itself the time of day. What changes most comes
# last, so that a changed line of code costs two small layers.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE} AS service

RUN printf 'seatrial:x:10001:10001:seatrial:/nonexistent:/usr/sbin/nologin\n' >>/etc/passwd \
    && printf 'seatrial:x:10001:\n' >>/etc/group \
    && touch --date=@315532800 /etc/passwd /etc/group /etc

ARG SERVICE
ARG PREFIX
ARG HTTP_PORT
ARG ADMIN_PORT
ARG VERSION
ENV PYTHONPATH=/opt/service/app:/opt/service/lib \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/service/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
EXPOSE ${HTTP_PORT} ${ADMIN_PORT}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/service/healthcheck.py"]
LABEL org.opencontainers.image.title=${SERVICE} org.opencontainers.image.version=${VERSION}
ENTRYPOINT ["/opt/service/bin/start"]

COPY dependencies/ /
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/service/lib \
    && find /opt -newermt 1980-01-02 -exec touch --no-dereference --date=@315532800 {} +
COPY service/ /
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/service/app \
    && find /opt -newermt 1980-01-02 -exec touch --no-dereference --date=@315532800 {} +
USER 10001:10001
# The address that the health check asks is read from the variable that the service itself reads.
ENV ${PREFIX}_HTTP_ADDR=0.0.0.0:${HTTP_PORT} \
    ${PREFIX}_ADMIN_ADDR=0.0.0.0:${ADMIN_PORT} \
    SEATRIAL_HEALTHCHECK=${PREFIX}_ADMIN_ADDR/readyz

# The gateway has one listener more.
FROM service AS gateway
ENV GATEWAY_GRPC_ADDR=0.0.0.0:9090
EXPOSE 9090
