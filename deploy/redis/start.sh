#!/bin/sh
# Start Redis with redis.conf and one user, whose password is in a file: start.sh CONF PASSWORD_FILE [OPTION VALUE]…
# The password stands in no argument, no variable and no file of Redis: only its hash does, in what is read here.
set -eu
conf=$1 password=$2
shift 2
hash=$(tr -d '\n' <"$password" | sha256sum | cut -c1-64)
further=
while [ $# -gt 1 ]; do
    further="$further
$1 $2"
    shift 2
done
# docs/FLEET.md has the same line, and says what it is for.
rules='resetkeys ~bw:{breakwater}:* resetchannels -@all
+eval +evalsha +info +select +cluster|slots +scan +time
+get +mget +set +del +exists +incr +persist +pexpire +pexpireat +pttl
+hget +hgetall +hmget +hset +hsetnx +hdel +hexists +hincrby +hkeys +hvals
+zadd +zcard +zcount +zrange +zrangebylex +zrangebyscore +zrem +zremrangebyrank +zscore
+blpop +llen +rpush'
# In place of this shell, so that it is Redis that hears SIGTERM.
exec redis-server - <<END
$(cat "$conf")
user default off nopass nocommands
user breakwater on #$hash $(printf %s "$rules" | tr '\n' ' ')$further
END
