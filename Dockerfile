# The images of the database, the servers and the load test. docker-compose.yml builds them:
#
#   db         PostgreSQL with the tables, the rows and the settings of db/
#   server     all servers in C, one chosen by the command: docker run ... server-coro
#   loadtest   wrk, pace and the load test; what it measures runs elsewhere (TARGETS)
#   proxy      nginx; docker-compose.yml has its settings, loadtest/nginx-conf its configuration,
#              loadtest/nginx-follow reloads it
#
# A peer in another language has a Dockerfile of its own, in peers/.
#
# servers.csv lists the servers; tests/loadtest/test_containers.py holds this file against it.
#
# Images have their full names, since Podman need not know which registry a short one means. Files that another user
# than root reads are given their mode here: in a clone that was made with umask 077 only its owner may read them.

ARG POSTGRES_IMAGE=docker.io/library/postgres:17

# What git calls these sources. Without .git they are of an unknown revision, unless VERSION says which.
FROM docker.io/library/debian:trixie-slim AS revision
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt
WORKDIR /waitbench
COPY . .
ARG VERSION
# Files that .dockerignore keeps out are missing here, which is not a change of theirs.
RUN git ls-files -z --deleted | git update-index -z --skip-worktree --stdin; \
    version=${VERSION:-$(git describe --always --dirty)}; echo "${version:-unknown}" >/revision

FROM $POSTGRES_IMAGE AS db
COPY --chmod=755 db/entrypoint /etc/waitbench/
COPY --chmod=644 db/settings.conf /etc/waitbench/
COPY --chmod=644 db/schema.sql /docker-entrypoint-initdb.d/1-schema.sql
COPY --chmod=644 db/seed.sql /docker-entrypoint-initdb.d/2-seed.sql
ENTRYPOINT ["/etc/waitbench/entrypoint"]
# The same settings as db/local, but for who may connect: the network of the containers alone.
CMD ["postgres", "-c", "config_file=/etc/waitbench/settings.conf", "-c", "listen_addresses=*"]

FROM docker.io/library/debian:trixie-slim AS build
WORKDIR /waitbench
COPY .ci/deps .ci/deps
RUN .ci/deps build && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt
COPY Makefile servers.csv ./
COPY common common
COPY server-threaded server-threaded
COPY server-libuv server-libuv
COPY server-coro server-coro
COPY server-hybrid server-hybrid
COPY loadtest/pace loadtest/pace
COPY --from=revision /revision .
RUN make -j"$(nproc)" VERSION="$(cat revision)" all build/pace

FROM docker.io/library/debian:trixie-slim AS server
RUN apt-get update \
    && apt-get install -y --no-install-recommends libjansson4 libllhttp9.2 libpq5 libuv1t64 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt
COPY --from=build /waitbench/build/server-threaded /waitbench/build/server-libuv /waitbench/build/server-coro \
    /waitbench/build/server-hybrid /usr/local/bin/
USER nobody
ENV HOST=0.0.0.0 PORT=8080
EXPOSE 8080
# bash speaks TCP: nothing need be installed for this. Rarely, since it takes CPU from a measurement.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["bash", "-c", "\
    exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '\"ready\"' <&3"]
CMD ["server-threaded"]

FROM docker.io/library/debian:trixie-slim AS proxy
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx-light \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt
COPY --chmod=755 loadtest/nginx-conf loadtest/nginx-follow /usr/local/bin/
USER nobody
# nginx inherits the limit of open files. A worker has room for 20,000 clients and their connections to the server, in
# 17 MB. SITES has a word for each server, and is split into them.
CMD ["sh", "-c", "ulimit -n $(ulimit -Hn); nginx-conf /tmp auto 40000 - $SITES >/tmp/nginx.conf && \
    exec nginx-follow /tmp/nginx.conf $SITES"]

FROM docker.io/library/debian:trixie-slim AS loadtest
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libjansson4 libllhttp9.2 python3 python3-matplotlib python3-psycopg2 python3-scipy wrk \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt
WORKDIR /waitbench
COPY db db
COPY servers.csv .
COPY loadtest loadtest
COPY --from=build /waitbench/build/pace /usr/local/bin/
COPY --from=revision /revision .
RUN chmod -R go=u-w .
ENV PYTHONDONTWRITEBYTECODE=1
# What it leaves belongs to the owner of the results folder, a user that is not root.
ENTRYPOINT ["bash", "-c", "\
    exec setpriv --reuid=$(stat -c %u results) --regid=$(stat -c %g results) --clear-groups loadtest/run \"$@\"", "loadtest"]
