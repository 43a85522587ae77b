"""The words that the Track API, S3 and proxies use in their errors: all that is ever shown of text that isn't ours.

The list is fixed, so a word of it says nothing about any row. That is why it has no digits, no `true` and `false`, and no
words that are also given names or common values (may, will, mark, grant, premium, paid): extend it with care.
"""

from __future__ import annotations

_GRAMMAR = """
a above after again all allowed already also always an and another any are as at be because been before
below between both but by can cannot contact contain contains could did do does doesn't don't each either
empty ever every exactly few for from greater has have here how if in instead into is isn't it its least
less longer longest many maximum minimum more most much must neither never next no non nor not now of on
once one only or other our out over own per please same see shorter should since so some still such than
that the their them then there these they this to too twice under unless until up using via was wasn't were
what when where whether which while with within without yet you your
"""

_VERDICTS = """
abort aborted accept accepted accepts bad banned block blocked blocks broken cancelled closed completing
conflict conflicts corrupt corrupted currently decline declined denied deny deprecated disabled disallowed
down drop dropped duplicate duplicated duplicates error errors exceed exceeded exceeding exceeds exist
exists expected expired fail failed failing fails failure forbidden found full gone handling happened
ignored illegal implemented inactive incomplete incorrect ineligible insufficient internal interrupted
invalid large later limit limited limits locked long malformed match matched matches mismatch missing need
needed needs occurred old overlapping overloaded parse permanent permanently permitted problem problems
processing prohibited provided quota range rate reached reading receiving refuse refused refusing reject
rejected rejects require required requires restricted retry sending short skewed slow small something soon
specified specifies specify supplied support supported suspended temporarily temporary throttled throttling
timed timeout trouble try trying unable unacceptable unauthorized unavailable unexpected unknown
unprocessable unreachable unreadable unrecognized unresolvable unsupported unverified valid validate
validation violates violation wait warning went writing wrong
"""

_TRACK_API = """
account accounts action actions add address addressable ago ahead android anonymous api app array attribute
attributes batch batches billing body boolean byte bytes cdp character characters cio client content create
created customer customers data date dates day days decimal delete deleted destination device devices digit
digits distinct email emails encoded encoding endpoint entries entry environment event events field fields
format formats future hour hours id identified identifier identifiers identify ids index integer integers
invoice ios item items json kb key keys last last_used length list mb member merge merged message messages
meta minute minutes month name names nested new newer nothing null number numbers object objects older
oldest order page parameter parameters past payload payment people permission permissions person phone plan
platform platforms preference preferences primary profile profiles properties property read reason reasons
recent recipient record records region relation relationship relationships reply request requests reserved
resource resources response row rows rule rules schema screen sdk second secondary seconds segment segments send sent
server service services session site size sizes spec status string strings subscription suppress suppressed
suppression syntax text time times timestamp timestamps timezone token tokens topic topics track tracking
trial type types ulid unique unix unsubscribed unsuppress update updated updates upgrade usage used user
users utf uuid value values version webhook workspace workspaces write
"""

_STORE = """
access acl algorithm amazon amz argument arguments assume authorization aws bucket buckets ceph checksum
chunk class configuration constraint copy credential credentials cross default delay digest directory
document encryption entity exception expire get head header headers idempotency identity inventory kms
lifecycle loaded location lock logging metadata method minio modified multipart operation owner part parts
policy post precondition prefix provider public put query redirect reduce refresh replication restore
retention role root secret security sequence sign signature signed source specific state storage store
stored sts target torrent transfer upload uploads url versioning virtual web xml
"""

_NETWORK = """
administrator agent akamai answer apache application attack authenticate authenticated authentication awselb
barracuda bluecoat bypass category certificate certificates chain choices cloudflare cloudfront connect
connection connections corporate dns domain ended envoy filter filtered firewall fortigate fortinet
forwarded gateway handshake haproxy helpdesk host hostile hostname html http https imperva incident
inspection ip issuer istio lookup maintenance malicious media mitmproxy moved multiple netskope network
networks nginx offline openresty origin peer pool port protocol proxies proxy reference reset resolve
resolved resolver route scan self socket sophos squid ssl tcp threat tls traefik traffic transport trust
trusted tunnel unsafe upstream varnish virus waf websense website x zscaler
"""

WORDS = frozenset(f"{_GRAMMAR} {_VERDICTS} {_TRACK_API} {_STORE} {_NETWORK}".split())
