#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# A hub that does not answer: what hangs on it waits, and nothing else does.
. "$QUIZ_SOURCE/tests/lib/tap.sh"
. "$QUIZ_SOURCE/tests/lib/fake.sh"
fake_world

end_all() {
	quiz stop --kill --all
	for pid in $(mute_hubs); do
		kill -9 "$pid"
	done
}
tap_at_exit=end_all

hubs() {
	pgrep -f "quiz-hub $XDG_RUNTIME_DIR"
}
mute_hubs() {
	pgrep -f "$scratch/mute-hub"
}

# Programs of the build tree, but the hub, which can be exchanged.
mkdir -p "$scratch/tree-of-links/libexec"
for link in "$QUIZ_TREE"/*; do
	[ "$(basename "$link")" = libexec ] || ln -s "$(readlink -f "$link")" "$scratch/tree-of-links"
done
for link in "$QUIZ_TREE"/libexec/*; do
	ln -s "$(readlink -f "$link")" "$scratch/tree-of-links/libexec"
done
QUIZ_TREE=$scratch/tree-of-links
# It has the socket and the lock, as a hub that was stopped has them, and says nothing.
ln -s "$(command -v sleep)" "$scratch/mute-hub"
real_hub=$(readlink -f "$QUIZ_TREE/libexec/quiz-hub")
printf '#!/bin/sh\n%s 600 >/dev/null 2>&1 </dev/null &\n' "$scratch/mute-hub" >"$scratch/mute"
chmod +x "$scratch/mute"

quiz --cold --net lab:a sleep 600 >a.out 2>"$scratch/a.err" &
wait_for 20 hubs
status "another one" 0 quiz -d --cold --net lab:b sleep 600
b=$out
members() {
	quiz doctor 2>/dev/null | grep 'network lab:'
}
both() {
	case $(members) in
	*"a ("*"b ("*) ;;
	*) return 1 ;;
	esac
}
holds "are in one network" wait_for 20 both
hub=$(hubs)
ln -sf "$scratch/mute" "$QUIZ_TREE/libexec/quiz-hub"
kill -9 "$hub"
holds "when the next hub is mute" wait_for 20 mute_hubs
status "a machine's clients are answered" 0 timeout 60 quiz exec "$b" true
is "before anybody has waited for it" "$(cat "$scratch/a.err")" ""
holds "it is said" wait_for 30 grep -q "the hub of network 'lab' does not answer" "$scratch/a.err"
ln -sf "$real_hub" "$QUIZ_TREE/libexec/quiz-hub"
for pid in $(mute_hubs); do
	kill -9 "$pid"
done
holds "once it is gone, all are in the next one" wait_for 60 both
status "and the machine ends as ever" 0 quiz stop --kill --all
no_hub() {
	[ -z "$(hubs)$(mute_hubs)" ]
}
holds "the hub with it" wait_for 20 no_hub
settle
is "nothing is left" "$(find "$XDG_RUNTIME_DIR/quiz" -mindepth 1 2>/dev/null)" ""
done_testing
