# scratch.go's keeper of the folder $1: when its input ends, the process that it is for has ended.
cat >/dev/null
for group in "$1"/*/group; do
	[ -e "$group" ] && kill -s KILL -- "-$(cat "$group")" 2>/dev/null
done
# What was killed may write until it has gone.
for wait in 0 1 2 4; do
	sleep $wait
	rm -rf "$1" 2>/dev/null && exit
done
exit 1
