/**
 * A program for a build step that tries every way out of a sandbox that it knows and says which worked. Perl, because that is
 * part of every Debian and can make system calls by number.
 *
 * Its argument is a file with lines of `kind<TAB>argument…`. It tries each and prints `name<TAB>open|shut<TAB>what happened`.
 * "open" means that something outside was reached: bytes came back from there, a file of there was read, changed or made, or
 * the kernel gave what leads there.
 */
export const escapeProbe = String.raw`#!/usr/bin/perl
use strict; use warnings; use Socket; use POSIX ();
$| = 1; $SIG{PIPE} = 'IGNORE';
my $generic = (POSIX::uname())[4] =~ /^(aarch64|riscv64|loongarch64)$/;
my %call = $generic
  ? (unshare => 97, ptrace => 117, keyctl => 219, add_key => 217, bpf => 280, perf => 241, uring => 425, mount => 40,
     umount => 39, setns => 268, handle => 265, uffd => 282, clone3 => 435, memfd => 279, pidfd => 434, chroot => 51)
  : (unshare => 272, ptrace => 101, keyctl => 250, add_key => 248, bpf => 321, perf => 298, uring => 425, mount => 165,
     umount => 166, setns => 308, handle => 304, uffd => 323, clone3 => 435, memfd => 319, pidfd => 434, chroot => 161);

sub say_result { my ($name, $open, $what) = @_; $what =~ s/\s+/ /g; print join("\t", $name, $open ? 'open' : 'shut', substr($what, 0, 200)), "\n"; }
sub within { my ($seconds, $code) = @_; my $value = eval { local $SIG{ALRM} = sub { die "no answer\n" }; alarm $seconds; my $v = $code->(); alarm 0; $v }; alarm 0; return defined $value ? $value : "failed: " . ($@ || $!); }
sub slurp { my ($path) = @_; open(my $f, '<', $path) or return undef; binmode $f; local $/; my $text = <$f>; return $text; }

my %try = (
  tcp => sub { my ($host, $port) = @_; within(3, sub {
    my $family = $host =~ /:/ ? AF_INET6 : AF_INET; my $address = Socket::inet_pton($family, $host) or die "bad address\n";
    socket(my $s, $family, SOCK_STREAM, 0) or die "socket: $!\n";
    connect($s, $family == AF_INET ? pack_sockaddr_in($port, $address) : Socket::pack_sockaddr_in6($port, $address)) or die "connect: $!\n";
    syswrite $s, "GET / HTTP/1.0\r\n\r\n"; sysread $s, my $text, 200; length($text // '') ? "reached: $text" : die "nothing came\n" }) },
  udp => sub { my ($host, $port) = @_; within(2, sub {
    my $family = $host =~ /:/ ? AF_INET6 : AF_INET; my $address = Socket::inet_pton($family, $host) or die "bad address\n";
    socket(my $s, $family, SOCK_DGRAM, 0) or die "socket: $!\n";
    my $to = $family == AF_INET ? pack_sockaddr_in($port, $address) : Socket::pack_sockaddr_in6($port, $address);
    # A question for the address of example, as a resolver would put it.
    send($s, "\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\0\0\1\0\1", 0, $to) or die "send: $!\n";
    recv($s, my $text, 512, 0) or die "recv: $!\n"; "reached: " . length($text) . " bytes" }) },
  name => sub { my ($name) = @_; within(5, sub { my @found = gethostbyname($name); @found ? "reached: resolved" : die "not resolved\n" }) },
  unix => sub { my ($path) = @_; within(3, sub {
    socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n"; connect($s, pack_sockaddr_un($path)) or die "connect: $!\n";
    "reached: a connection" }) },
  abstract => sub { my ($name) = @_; within(3, sub {
    socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n"; connect($s, pack('Sa*', AF_UNIX, "\0$name")) or die "connect: $!\n";
    "reached: a connection" }) },
  family => sub { my ($family, $type, $protocol) = @_; socket(my $s, $family, $type, $protocol) ? "reached: a socket" : "failed: $!" },
  file => sub { my ($path) = @_; my $text = slurp($path); defined $text && length $text ? "reached: $text" : "failed: " . ($! || 'empty') },
  # Looks for a text in everything that the process table tells of others.
  proc => sub { my ($needle) = @_; my @seen;
    for my $pid (grep { $_ != $$ } map { m{(\d+)} } glob('/proc/[0-9]*')) {
      for my $what (qw(environ cmdline)) { my $text = slurp("/proc/$pid/$what") // ''; push @seen, "$pid/$what" if index($text, $needle) >= 0 }
    } @seen ? "reached: @seen" : "failed: nobody has it" },
  below => sub { my ($pid, $path) = @_; my $text = slurp("/proc/$pid/root$path"); defined $text ? "reached: $text" : "failed: $!" },
  memory => sub { my ($pid) = @_; open(my $f, '<', "/proc/$pid/mem") ? "reached: its memory" : "failed: $!" },
  signal => sub { my ($pid) = @_; kill(0, $pid) ? "reached: it is there" : "failed: $!" },
  ptrace => sub { my ($pid) = @_; my $r = syscall($call{ptrace}, 16, $pid + 0, 0, 0); if ($r == 0) { waitpid($pid, 0); syscall($call{ptrace}, 17, $pid + 0, 0, 0); return 'reached: attached' } "failed: $!" },
  pidfd => sub { my ($pid) = @_; syscall($call{pidfd}, $pid + 0, 0) >= 0 ? "reached: it is there" : "failed: $!" },
  shm => sub { my ($key) = @_; my $id = shmget($key, 0, 0); return "failed: $!" unless defined $id; my $text; shmread($id, $text, 0, 6) ? "reached: $text" : "failed: $!" },
  key => sub { my ($name) = @_; my $type = "user\0"; my $text = "$name\0"; my $id = syscall($call{keyctl}, 10, -3, $type, $text, 0);
    return "failed: $!" if $id < 0; my $buffer = "\0" x 64; my $n = syscall($call{keyctl}, 11, $id, $buffer, 64); $n >= 0 ? "reached: " . substr($buffer, 0, $n) : "failed: $!" },
  addkey => sub { my ($name) = @_; my ($type, $text, $value) = ("user\0", "$name\0", "secret"); syscall($call{add_key}, $type, $text, $value, 6, -3) >= 0 ? "reached: added" : "failed: $!" },
  unshare => sub { my ($flags) = @_; syscall($call{unshare}, $flags + 0) == 0 ? "reached: new namespaces" : "failed: $!" },
  mount => sub { my ($path) = @_; my ($type, $dir, $none) = ("tmpfs\0", "$path\0", "\0"); syscall($call{mount}, $type, $dir, $type, 0, $none) == 0 ? "reached: mounted" : "failed: $!" },
  bind => sub { my ($from, $to) = @_; mkdir $to; my ($f, $t, $none) = ("$from\0", "$to\0", "\0"); syscall($call{mount}, $f, $t, $none, 4096, $none) == 0 ? "reached: bound" : "failed: $!" },
  umount => sub { my ($path) = @_; my $dir = "$path\0"; syscall($call{umount}, $dir, 2) == 0 ? "reached: taken away" : "failed: $!" },
  setns => sub { my ($path) = @_; open(my $f, '<', $path) or return "failed: $!"; syscall($call{setns}, fileno $f, 0) == 0 ? "reached: entered" : "failed: $!" },
  chroot => sub { my ($path) = @_; my $dir = "$path\0"; syscall($call{chroot}, $dir) == 0 ? "reached: changed" : "failed: $!" },
  handle => sub { my $h = "\0" x 136; syscall($call{handle}, -100, $h, 0) >= 0 || $! == POSIX::EBADF() ? "reached: may open by handle" : "failed: $!" },
  bpf => sub { my $attr = pack('L4', 1, 4, 4, 1) . "\0" x 112; syscall($call{bpf}, 0, $attr, 128) >= 0 ? "reached: a map" : "failed: $!" },
  perf => sub { my $attr = pack('LLQ', 1, 112, 0) . "\0" x 96; syscall($call{perf}, $attr, 0, -1, -1, 0) >= 0 ? "reached: counters" : "failed: $!" },
  uffd => sub { syscall($call{uffd}, 0) >= 0 ? "reached: page faults" : "failed: $!" },
  uring => sub { my $p = "\0" x 120; syscall($call{uring}, 1, $p) >= 0 ? "reached: a ring" : "failed: $!" },
  write => sub { my ($path) = @_; open(my $f, '>', $path) or return "failed: $!"; print {$f} "from inside\n"; close $f ? "reached: written" : "failed: $!" },
  # Opened only: some files act on whatever is written.
  writable => sub { my ($path) = @_; sysopen(my $f, $path, 1) ? "reached: open for writing" : "failed: $!" },
  append => sub { my ($path, $text) = @_; open(my $f, '>>', $path) or return "failed: $!"; syswrite($f, $text // '') // return "failed: $!"; "reached: written" },
  remove => sub { my ($path) = @_; unlink($path) ? "reached: removed" : "failed: $!" },
  setuid => sub { my ($program) = @_; my $id = within(5, sub { my $id = ${'`'}$program -u 2>&1${'`'}; chomp $id; $id }); $id eq '0' ? "reached: uid 0" : "failed: uid $id" },
  # Descriptors that came from outside, besides the three of every program.
  inherited => sub { my @found = grep { $_->[0] > 2 && defined $_->[1] && $_->[1] !~ m{/proc/\d+/fd} } map { [$_, readlink "/proc/self/fd/$_"] } map { m{(\d+)$} } glob('/proc/self/fd/*');
    @found ? "reached: " . join(' ', map { "$_->[0]=$_->[1]" } @found) : "failed: none" },
  interfaces => sub { my @names = grep { $_ ne 'lo' } map { /^\s*(\S+):/ } split /\n/, slurp('/proc/net/dev') // ''; @names ? "reached: @names" : "failed: only lo" },
  devices => sub { my @odd = grep { (-b $_ || -c $_) && !m{^/dev/(null|zero|full|random|urandom|tty|console|ptmx|pts/\w+)$} } glob('/dev/* /dev/*/*'); @odd ? "reached: @odd" : "failed: none" },
);
for (split /\n/, slurp($ARGV[0]) // die "no list of ways: $!\n") {
  my ($kind, @arguments) = split /\t/; my $code = $try{$kind} or die "no such way: $kind\n";
  my $name = join ' ', $kind, @arguments; my $result = $code->(@arguments); say_result($name, scalar($result =~ /^reached/), $result);
}
`;

/** One way that was tried. */
export interface EscapeAttempt {
  /** Kind and argument as given, joined by blanks. */
  readonly name: string;
  readonly isOpen: boolean;
  readonly what: string;
}

/** Reads what the probe printed. */
export function parseEscapes(output: string): EscapeAttempt[] {
  return output
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length === 3 && (fields[1] === 'open' || fields[1] === 'shut'))
    .map(([name = '', state, what = '']) => ({ name, isOpen: state === 'open', what }));
}
