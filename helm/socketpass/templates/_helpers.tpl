{{- define "socketpass.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Short enough for what is put behind it, `-headless` being the longest. */}}
{{- define "socketpass.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "socketpass.selectorLabels" -}}
app.kubernetes.io/name: {{ include "socketpass.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end -}}

{{/* Of everything: the labels of one part are those of another with a component of its own. */}}
{{- define "socketpass.labelsOf" -}}
{{- with .root.Values.commonLabels -}}
{{ toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "socketpass.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.image.tag | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "socketpass.labels" -}}
{{ include "socketpass.labelsOf" (dict "root" . "component" "service") }}
{{- end -}}

{{- define "socketpass.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "socketpass.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "socketpass.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end -}}
{{- end -}}

{{/* Not empty where the image's name leads to no registry that has it: only a node that was given the image can run it. */}}
{{- define "socketpass.imageOfNobody" -}}
{{- if and (not .Values.image.registry) (eq .Values.image.repository "socketpass") -}}
yes
{{- end -}}
{{- end -}}

{{/* The Service's name, for whoever is in the cluster. */}}
{{- define "socketpass.host" -}}
{{ include "socketpass.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* Not empty where the registry is one replica's own. */}}
{{- define "socketpass.registryInMemory" -}}
{{- if and (not .Values.registryStore.existingSecret) (hasPrefix "memory:" .Values.registryStore.url) -}}
yes
{{- end -}}
{{- end -}}

{{/* Not empty where anybody may call. The demo's people are made up, and its sessions are known to everybody. */}}
{{- define "socketpass.anonymous" -}}
{{- if or .Values.demo .Values.callers.allowAnonymous -}}
yes
{{- end -}}
{{- end -}}

{{/* Not empty where nobody said who may call, so that the chart makes tokens. */}}
{{- define "socketpass.makesTokens" -}}
{{- $certificates := dig "callers" "certificates" list .Values.config -}}
{{- if not (or (include "socketpass.anonymous" .) .Values.callers.tokens .Values.callers.existingSecret $certificates) -}}
yes
{{- end -}}
{{- end -}}

{{/* Name of the Secret with the tokens' hashes, in the key `callers.existingSecretKey`; empty where there are none. */}}
{{- define "socketpass.tokensSecret" -}}
{{- if .Values.callers.existingSecret -}}
{{ .Values.callers.existingSecret }}
{{- else if or .Values.callers.tokens (include "socketpass.makesTokens" .) -}}
{{ include "socketpass.fullname" . }}-token
{{- end -}}
{{- end -}}

{{/* The Secret and key of a gateway's token that the chart knows of: two words, or nothing. */}}
{{- define "socketpass.testToken" -}}
{{- if .Values.callers.testToken.existingSecret -}}
{{ .Values.callers.testToken.existingSecret }} {{ .Values.callers.testToken.existingSecretKey }}
{{- else if include "socketpass.makesTokens" . -}}
{{ include "socketpass.fullname" . }}-token gateway
{{- end -}}
{{- end -}}

{{/* Ana's cookie, one of the demo's people. */}}
{{- define "socketpass.demoCookie" -}}
s%3AZk3q9vWmT1n8yLxR4sPb7uCdEfGhJkMa.tKdLAVBsdb82Rl3fAEIwkb9+O8SoPj9ifjbAdfFWNU0
{{- end -}}

{{/* Not empty where `helm test` can authorize a handshake, too. */}}
{{- define "socketpass.testMayCall" -}}
{{- if and (or (include "socketpass.testToken" .) (include "socketpass.anonymous" .)) (not (include "socketpass.needsCertificate" .)) -}}
yes
{{- end -}}
{{- end -}}

{{/* Not empty where a call without a client certificate is refused, whatever else it brings. */}}
{{- define "socketpass.needsCertificate" -}}
{{- if eq .Values.tls.clientCerts "required" -}}
yes
{{- else if not (or (include "socketpass.anonymous" .) (include "socketpass.tokensSecret" .)) -}}
yes
{{- end -}}
{{- end -}}

{{- define "socketpass.tlsSecret" -}}
{{ default (printf "%s-tls" (include "socketpass.fullname" .)) .Values.tls.existingSecret }}
{{- end -}}

{{/* A value as TOML writes it. YAML's numbers arrive as floats, also the whole ones, and TOML tells them apart. */}}
{{- define "socketpass.tomlValue" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- $pairs = append $pairs (printf "%s = %s" $key (include "socketpass.tomlValue" $value)) -}}
{{- end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}
{{- $items = append $items (include "socketpass.tomlValue" .) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else if kindIs "string" . -}}
{{ toRawJson . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{/* Whether users are found elsewhere than in their sessions; empty if not. */}}
{{- define "socketpass.userSourceElsewhere" -}}
{{- if or .Values.userSource.existingSecret (ne .Values.userSource.url "session") -}}
true
{{- end -}}
{{- end -}}

{{/* Not empty where sessions or users are known to be in files, which a volume has to bring. */}}
{{- define "socketpass.readsFiles" -}}
{{- range list .Values.sessionStore .Values.userSource -}}
{{- if and (not .existingSecret) (regexMatch "^(sqlite|file):" .url) -}}
yes
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The settings: those of `config`, and what the chart sets because it follows from other values. */}}
{{- define "socketpass.toml" -}}
{{- $secrets := "/etc/socketpass/secrets" -}}
{{- $set := dict
      "grpc" (dict "addr" (printf "%s:%d" .Values.listenAddress (int .Values.ports.grpc)))
      "http" (dict "addr" (printf "%s:%d" .Values.listenAddress (int .Values.ports.http))) -}}
{{- if not .Values.demo -}}
{{- $_ := set $set "session" (dict "secrets_file" (printf "%s/session-secrets" $secrets) "store_file" (printf "%s/session-store" $secrets)) -}}
{{- end -}}
{{- $user := dict -}}
{{- if include "socketpass.userSourceElsewhere" . -}}
{{- $_ := set $user "source_file" (printf "%s/user-source" $secrets) -}}
{{- end -}}
{{- if .Values.userAuthorization.existingSecret -}}
{{- $_ := set $user "authorization_file" (printf "%s/user-authorization" $secrets) -}}
{{- end -}}
{{- if $user -}}
{{- $_ := set $set "user" $user -}}
{{- end -}}
{{- if not (include "socketpass.registryInMemory" .) -}}
{{- $_ := set $set "registry" (dict "store_file" (printf "%s/registry-store" $secrets)) -}}
{{- end -}}
{{- if include "socketpass.anonymous" . -}}
{{- $_ := set $set "callers" (dict "allow_anonymous" true) -}}
{{- else if include "socketpass.tokensSecret" . -}}
{{- $_ := set $set "callers" (dict "tokens_file" (printf "%s/tokens" $secrets)) -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- $tls := dict "cert_file" "/etc/socketpass/tls/tls.crt" "key_file" "/etc/socketpass/tls/tls.key" -}}
{{- if .Values.tls.clientCA.existingSecret -}}
{{- $_ := set $tls "client_ca_file" "/etc/socketpass/tls/client-ca.crt" -}}
{{- $_ := set $tls "client_certs" .Values.tls.clientCerts -}}
{{- end -}}
{{- $_ := set $set "tls" $tls -}}
{{- end -}}
{{- $prefix := dict "registry" (dict "prefix" (printf "socketpass:%s:%s:" .Release.Namespace .Release.Name)) -}}
{{- range $part, $settings := mergeOverwrite $prefix (deepCopy .Values.config) $set }}
{{- if $settings }}
[{{ $part }}]
{{- range $key, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "socketpass.tomlValue" $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}
{{- end -}}

{{/* What of the volume at /etc/socketpass comes from Secrets: a line for each, name, key and path. */}}
{{- define "socketpass.secretFiles" -}}
{{- $own := printf "%s-stores" (include "socketpass.fullname" .) -}}
{{- if not .Values.demo }}
{{ default $own .Values.sessionSecrets.existingSecret }} {{ if .Values.sessionSecrets.existingSecret }}{{ .Values.sessionSecrets.existingSecretKey }}{{ else }}session-secrets{{ end }} secrets/session-secrets
{{ default $own .Values.sessionStore.existingSecret }} {{ if .Values.sessionStore.existingSecret }}{{ .Values.sessionStore.existingSecretKey }}{{ else }}session-store{{ end }} secrets/session-store
{{- end }}
{{- if include "socketpass.userSourceElsewhere" . }}
{{ default $own .Values.userSource.existingSecret }} {{ if .Values.userSource.existingSecret }}{{ .Values.userSource.existingSecretKey }}{{ else }}user-source{{ end }} secrets/user-source
{{- end }}
{{- with .Values.userAuthorization.existingSecret }}
{{ . }} {{ $.Values.userAuthorization.existingSecretKey }} secrets/user-authorization
{{- end }}
{{- if not (include "socketpass.registryInMemory" .) }}
{{ default $own .Values.registryStore.existingSecret }} {{ if .Values.registryStore.existingSecret }}{{ .Values.registryStore.existingSecretKey }}{{ else }}registry-store{{ end }} secrets/registry-store
{{- end }}
{{- with include "socketpass.tokensSecret" . }}
{{ . }} {{ if $.Values.callers.existingSecret }}{{ $.Values.callers.existingSecretKey }}{{ else }}tokens{{ end }} secrets/tokens
{{- end }}
{{- if .Values.tls.enabled }}
{{ include "socketpass.tlsSecret" . }} tls.crt tls/tls.crt
{{ include "socketpass.tlsSecret" . }} tls.key tls/tls.key
{{- with .Values.tls.clientCA.existingSecret }}
{{ . }} {{ $.Values.tls.clientCA.existingSecretKey }} tls/client-ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{/* How long a duration is, as settings have it; empty where it has units that nobody would say it in. */}}
{{- define "socketpass.milliseconds" -}}
{{- if regexMatch "^( *[0-9]+ *(ms|msec|millis|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?) *)+$" . -}}
{{- $sum := int64 0 -}}
{{- range regexFindAll "[0-9]+ *[a-z]+" . -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $of := 1 -}}
{{- if hasPrefix "s" $unit -}}
{{- $of = 1000 -}}
{{- else if regexMatch "^(m|min.*)$" $unit -}}
{{- $of = 60000 -}}
{{- else if hasPrefix "h" $unit -}}
{{- $of = 3600000 -}}
{{- end -}}
{{- $sum = add $sum (mul $of (regexFind "[0-9]+" . | int64)) -}}
{{- end -}}
{{ $sum }}
{{- end -}}
{{- end -}}

{{/* The release's revision that the registry's URL is of: it tells that the URL has changed, and nothing of what is in it,
as a hash would to whoever guesses. Where the cluster cannot be asked it is always the same. */}}
{{- define "socketpass.registryRevision" -}}
{{- $name := printf "%s-stores" (include "socketpass.fullname" .) -}}
{{- $before := (lookup "v1" "Secret" .Release.Namespace $name).data | default dict -}}
{{- if eq (get $before "registry-store" | b64dec) .Values.registryStore.url -}}
{{ get $before "registry-store-revision" | b64dec | default (toString .Release.Revision) }}
{{- else -}}
{{ .Release.Revision }}
{{- end -}}
{{- end -}}

{{/* Settings that the chart sets, and the values that it sets them from. */}}
{{- define "socketpass.elsewhere" -}}
{{- $address := "the values listenAddress and ports" -}}
{{- $certificate := "tls.existingSecret or tls.certManager" -}}
{{- dict
      "grpc.addr" $address
      "http.addr" $address
      "session.secrets" "sessionSecrets.values or sessionSecrets.existingSecret"
      "session.store" "sessionStore.url or sessionStore.existingSecret"
      "user.source" "userSource.url or userSource.existingSecret"
      "user.authorization" "userAuthorization.existingSecret"
      "registry.store" "registryStore.url or registryStore.existingSecret"
      "callers.tokens" "the value callers.tokens (not under config) or callers.existingSecret"
      "callers.allow_anonymous" "the value callers.allowAnonymous"
      "tls.cert_file" $certificate
      "tls.key_file" $certificate
      "tls.client_ca_file" "tls.clientCA.existingSecret"
      "tls.client_certs" "the value tls.clientCerts"
    | toJson -}}
{{- end -}}

{{/* Refuses values that make no sense together, and says what to do instead. */}}
{{- define "socketpass.validate" -}}
{{- $elsewhere := include "socketpass.elsewhere" . | fromJson -}}
{{- $misplaced := list -}}
{{- range $part, $settings := .Values.config -}}
{{- range $key, $value := $settings -}}
{{- $name := printf "%s.%s" $part $key -}}
{{- with get $elsewhere $name | default (get $elsewhere (trimSuffix "_file" $name)) -}}
{{- $misplaced = append $misplaced (printf "config.%s: give it as %s" $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $misplaced -}}
{{- fail (printf "\n\nThese settings have values of their own, and do not stand under config:\n\n%s\n" (join "\n" .)) -}}
{{- end -}}
{{- $secretsMissing := not (or .Values.demo .Values.sessionSecrets.values .Values.sessionSecrets.existingSecret) -}}
{{- $storeMissing := not (or .Values.demo .Values.sessionStore.url .Values.sessionStore.existingSecret) -}}
{{- if or $secretsMissing $storeMissing -}}
{{- $add := list -}}
{{- if include "socketpass.imageOfNobody" . -}}
{{- $add = append $add "image:\n  repository: registry.example/socketpass   # where you have pushed it\n" -}}
{{- end -}}
{{- if $secretsMissing -}}
{{- $add = append $add "sessionSecrets:\n  values: [\"the secret that the web app gives to express-session\"]\n" -}}
{{- end -}}
{{- if $storeMissing -}}
{{- $add = append $add "sessionStore:\n  url: redis://redis:6379/0\n" -}}
{{- end -}}
{{- fail (printf "\n\nsocketpass must know how sessions are signed and where they are kept. Add to your values:\n\n%s\nor name Secrets that hold them (sessionSecrets.existingSecret, sessionStore.existingSecret), or see it work without either: --set demo=true\n" (join "" $add)) -}}
{{- end -}}
{{- if include "socketpass.registryInMemory" . -}}
{{- $why := "the registry of open sockets is in the memory of one replica (registryStore.url is memory:), and of several each would know only the gateways that report to it: set registryStore.url to a Redis that all replicas share" -}}
{{- if gt (int .Values.replicaCount) 1 -}}
{{- fail (printf "\n\nreplicaCount is %d: %s, or leave replicaCount at 1\n" (int .Values.replicaCount) $why) -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail (printf "\n\nautoscaling.enabled: %s, or leave autoscaling off\n" $why) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.demo (or (gt (int .Values.replicaCount) 1) .Values.autoscaling.enabled) -}}
{{- fail "\n\ndemo: its sessions are in the memory of one replica; leave replicaCount at 1 and autoscaling off\n" -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- if and (not .Values.tls.existingSecret) (not .Values.tls.certManager.enabled) -}}
{{- fail "\n\ntls.enabled: there is no certificate: name a Secret in tls.existingSecret, or let cert-manager make one (tls.certManager.enabled and tls.certManager.issuerRef.name)\n" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret .Values.tls.certManager.enabled -}}
{{- fail "\n\ntls: the certificate comes from tls.existingSecret or from tls.certManager: leave one of them out\n" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) -}}
{{- fail "\n\ntls.certManager.issuerRef.name: say which issuer signs the certificate\n" -}}
{{- end -}}
{{- if and (eq .Values.tls.clientCerts "required") (not .Values.tls.clientCA.existingSecret) -}}
{{- fail "\n\ntls.clientCerts is required: name the Secret with the authority that they are checked against in tls.clientCA.existingSecret\n" -}}
{{- end -}}
{{- else if or .Values.tls.clientCA.existingSecret .Values.tls.existingSecret .Values.tls.certManager.enabled -}}
{{- fail "\n\ntls.enabled is false, and other values of tls are set: set it to true, or leave them out\n" -}}
{{- end -}}
{{- if and (dig "callers" "certificates" list .Values.config) (not .Values.tls.clientCA.existingSecret) -}}
{{- fail "\n\nconfig.callers.certificates: client certificates need tls.enabled and tls.clientCA.existingSecret, the authority that they are checked against\n" -}}
{{- end -}}
{{- if and .Values.callers.tokens .Values.callers.existingSecret -}}
{{- fail "\n\ncallers: tokens stand in callers.tokens or in callers.existingSecret: leave one of them out\n" -}}
{{- end -}}
{{- if and .Values.callers.allowAnonymous (or .Values.callers.tokens .Values.callers.existingSecret) -}}
{{- fail "\n\ncallers.allowAnonymous lets anybody call, and tokens are given: leave one of them out\n" -}}
{{- end -}}
{{- if and (not (include "socketpass.registryInMemory" .)) (eq .Values.updateStrategy.type "Recreate") .Values.updateStrategy.rollingUpdate -}}
{{- fail "\n\nupdateStrategy.type is Recreate: set updateStrategy.rollingUpdate to null\n" -}}
{{- end -}}
{{- $drain := dig "limits" "drain_timeout" "20s" .Values.config -}}
{{- $milliseconds := include "socketpass.milliseconds" $drain -}}
{{- if not $milliseconds -}}
{{- fail (printf "\n\nconfig.limits.drain_timeout is %s: say it in hours, minutes, seconds or milliseconds, such as 90s or 1m 30s, so that it can be compared with terminationGracePeriodSeconds\n" $drain) -}}
{{- end -}}
{{- $longest := add (mul 1000 (int64 .Values.preStopSeconds)) (int64 $milliseconds) -}}
{{- if le (mul 1000 (int64 .Values.terminationGracePeriodSeconds)) $longest -}}
{{- fail (printf "\n\nterminationGracePeriodSeconds is %d, and a pod may take longer to end: preStopSeconds (%d) and config.limits.drain_timeout (%s) together; give it some seconds more than both\n" (int .Values.terminationGracePeriodSeconds) (int .Values.preStopSeconds) $drain) -}}
{{- end -}}
{{- if and .Values.demo (or .Values.callers.tokens .Values.callers.existingSecret .Values.tls.enabled) -}}
{{- fail "\n\ndemo: it speaks plaintext with anybody; leave callers and tls out, or demo\n" -}}
{{- end -}}
{{- end -}}
