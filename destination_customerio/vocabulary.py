"""The words that the Track API, S3 and proxies use in their errors: all that is ever shown of text that isn't ours.

The list is fixed, so a word of it says nothing about any row. That is why it has no digits, no `true` and `false`, and no
words that are also given names or common values (may, will, mark, grant, premium, paid): extend it with care.
"""

from __future__ import annotations

_GRAMMAR = """
a above according additional after again all allowed already also always an and another any are as at be
because been before below between both but by can cannot contact contain contains could current did
different do does doesn't don't each either empty ever every exactly few for from greater has have here how
if in instead into is isn't it its least less longer longest many maximum minimum more most much must
neither never next no non nor not now of on once one only or other our out over own per please previous
rather same see shorter should since so some sorry still such than that the their them themselves then there
these they this to too twice under unless until up using via was wasn't we were what when where whether
which while whole with within without yet you your
"""

_VERDICTS = """
abort aborted accept accepted accepts adjust allowlist attempted attempting attention authorized available
bad banned blank block blocked blocks broken calculated cancelled center change changed changes check
checked closed completing configured conflict conflicts corrupt corrupted currently decline declined denied
deny deprecated disabled disallowed down drop dropped due duplicate duplicated duplicates enabled
encountered end error errors exceed exceeded exceeding exceeds excess exist existing exists expected
expecting expired fail failed failing fails failure forbidden found full gone handling happened ignored
illegal implemented inactive inclusion incomplete incorrect ineligible insufficient internal interrupted
invalid invalidated large later limit limited limits locked long malformed match matched matches mismatch
missing need needed needs occurred occurs old optional overlapping overloaded parse permanent permanently
permitted prevented prevents problem problems proceed processing progress prohibited provided quota range
rate reached reading receiving refuse refused refusing reject rejected rejects requested require required
requires restricted retry revoked sending short skewed slow small something soon specified specifies specify
succeeded successfully supplied support supported suspended taken temporarily temporary throttled throttling
timed timeout tried trouble try trying unable unacceptable unauthorized unavailable unexpected unknown
unmarshal unprocessable unreachable unreadable unrecognized unresolvable unsupported unverified valid
validate validation violates violation wait warning went whitelist writing wrong
"""

_TRACK_API = """
account accounts action actions add address addressable ago ahead android anonymous api app array attribute
attributes batch batches beginning billing body boolean booleans byte bytes cdp character characters cio
claim client communication content create created customer customers data date dates day days decimal decode
decoded delete deleted delivery destination device devices digit digits distinct email emails encoded
encoding endpoint entries entry environment event events feature features field fields file files format
formats future hour hours id identified identifier identifiers identify ids index input integer integers
invoice ios item items json kb key keys last last_used length list login manual map mb member merge merged
message messages meta methods minute minutes month name names nested new newer nothing null number numbers
object objects older oldest opt order organization organization's page pair parameter parameters past
payload payment people period permission permissions person phone plan platform platforms point preference
preferences primary profile profiles project properties property read reason reasons recent recipient record
records region relation relationship relationships reply request requests reserved resource resources
response result results row rows rule rules schema screen sdk second secondary seconds segment segments send
sent server service services session set site size sizes spec status stream streams string strings structure
subscription suppress suppressed suppression syntax tag tags text time times timestamp timestamps timezone
token tokens topic topics track tracking trial type types ulid unique unix unsubscribed unsuppress update
updated updates upgrade usage use used user users utf uuid value values version webhook workspace workspaces
write
"""

_STORE = """
access acl addressed admin algorithm amazon amz argument arguments assume auth authorization authorize aws
backend bandwidth bucket buckets cache calculate capacity ceph checksum checksums chunk class conditional
configuration constraint control copy credential credentials cross default delay digest directory document
drive drives encryption entity exception expire get head header headers idempotency identity idp initialized
inventory kms lifecycle loaded location lock logging metadata method minio modified multi multipart named
operation owner packed part parts payer perform performed policy post precondition prefix provider public
put query recursive redirect reduce refresh replication restore retention role root secret section security
sequence sign signature signed signing source specific state storage store stored sts target threshold
torrent transfer upload uploads uri url versioning virtual web written xml
"""

_NETWORK = """
administrator agent akamai allowlisted answer apache application attack authenticate authenticated
authentication awselb barracuda bluecoat bypass category certificate certificates chain choices cloudflare
cloudfront connect connected connection connections corporate detected disconnect dns domain ended envoy
explicit filter filtered firewall fortigate fortinet forwarded gateway handshake haproxy helpdesk host
hostile hostname html http https imperva incident inspected inspection internet intrusion ip issuer istio
link lookup maintenance malicious media mitmproxy moved multiple netskope network networks nginx offline
openresty origin peer pool port protocol proxies proxy received reference reset resolve resolved resolver
route scan self socket sophos squid ssl tcp threat tls traefik traffic transport trust trusted tunnel unsafe
untrusted upstream varnish virus waf websense website x zscaler
"""

WORDS = frozenset(f"{_GRAMMAR} {_VERDICTS} {_TRACK_API} {_STORE} {_NETWORK}".split())
