# shellcheck shell=sh
# SPDX-License-Identifier: MPL-2.0
#
# For tests of networks: a TCP stream between two guests. Perl is in every root that mmdebstrap makes.
#
#	tcp_programs FOLDER	puts two programs there: "listen.pl PORT" says "ready" on stderr and writes what comes by the first
#				connection to stdout; "send.pl HOST PORT" sends its stdin there

tcp_programs() {
	cat >"$1/listen.pl" <<'EOT'
use IO::Socket::INET;
my $s = IO::Socket::INET->new(Listen => 5, LocalPort => $ARGV[0], ReuseAddr => 1) or die "listen: $!";
$| = 1;
print STDERR "ready\n";
my $c = $s->accept or die "accept: $!";
while (sysread($c, my $b, 65536)) { print $b }
EOT
	cat >"$1/send.pl" <<'EOT'
use IO::Socket::INET;
my $s;
for (1 .. 100) {
	$s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]) and last;
	select undef, undef, undef, 0.1;
}
die "no connection: $!" unless $s;
while (sysread(STDIN, my $b, 65536)) {
	for (my $o = 0; $o < length $b;) {
		$o += syswrite($s, $b, length($b) - $o, $o) // die "send: $!";
	}
}
EOT
}
