{{- define "yunsong.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a component: (dict "root" $ "component" "gateway"). */}}
{{- define "yunsong.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "yunsong.labels" -}}
{{ include "yunsong.selector" . }}
app.kubernetes.io/part-of: yunsong
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "yunsong.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := (get .root.Values.components .component).image -}}
{{- if $own -}}
{{ $own }}
{{- else -}}
{{ $image.registry }}{{ $image.repository }}-{{ .component }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* The six services and their ports, which are those of the services' own defaults. */}}
{{- define "yunsong.services" -}}
gateway: {grpc: 9100, ops: 9200}
channel-adapter: {grpc: 9101, ops: 9201}
conversation: {grpc: 9102, ops: 9202}
router: {grpc: 9103, ops: 9203}
bot: {grpc: 9104, ops: 9204}
qa: {grpc: 9105, ops: 9205}
{{- end -}}

{{/* Who may call whom: what the contract's access options say, and the gateway everyone. A test compares them. */}}
{{- define "yunsong.callers" -}}
gateway: [bot, channel-adapter, qa, router]
channel-adapter: [bot, conversation, gateway, qa, router]
conversation: [bot, channel-adapter, gateway, qa, router]
router: [bot, channel-adapter, conversation, gateway, qa]
bot: [gateway]
qa: [gateway]
{{- end -}}

{{/* Who calls addresses that a business configured: webhooks, a bot of its own, sign-in, an object store. */}}
{{- define "yunsong.outgoing" -}}
[gateway, channel-adapter, bot, standalone]
{{- end -}}

{{/* The components that run in this topology, with their values: defaults, then their own. */}}
{{- define "yunsong.components" -}}
{{- $found := dict -}}
{{- range $name, $own := .Values.components -}}
{{- if eq (eq $name "standalone") (eq $.Values.topology "compact") -}}
{{- $_ := set $found $name (mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* The most pods that a component can have. */}}
{{- define "yunsong.maxPods" -}}
{{- if .autoscaling.enabled -}}{{ .autoscaling.maxReplicas }}{{- else -}}{{ .replicas }}{{- end -}}
{{- end -}}

{{/* The component that is the public door. */}}
{{- define "yunsong.door" -}}
{{- if eq .Values.topology "compact" -}}standalone{{- else -}}gateway{{- end -}}
{{- end -}}

{{- define "yunsong.keysSecret" -}}
{{- default (printf "%s-keys" (include "yunsong.fullname" .)) .Values.keys.existingSecret -}}
{{- end -}}

{{- define "yunsong.filesClaim" -}}
{{- default (printf "%s-files" (include "yunsong.fullname" .)) .Values.files.persistence.existingClaim -}}
{{- end -}}

{{- define "yunsong.publicHost" -}}
{{- (urlParse .Values.publicUrl).hostname -}}
{{- end -}}

{{- define "yunsong.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "yunsong.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Rules across fields; each says what to do. */}}
{{- define "yunsong.check" -}}
{{- if not (regexMatch "^https?://[^/]+/?$" .Values.publicUrl) -}}
{{- fail "publicUrl must be the address that people use, a scheme and a host, such as https://support.example" -}}
{{- end -}}
{{- if not .Values.database.existingSecret -}}
{{- fail "database.existingSecret must name a secret with the key url: the chart brings no PostgreSQL" -}}
{{- end -}}
{{- if not .Values.nats.existingSecret -}}
{{- fail "nats.existingSecret must name a secret with the key url: the chart brings no NATS" -}}
{{- end -}}
{{- $door := get (fromYaml (include "yunsong.components" .)) (include "yunsong.door" .) -}}
{{- $pods := int (include "yunsong.maxPods" $door) -}}
{{- if and (not .Values.files.url) (gt $pods 1) (not (eq .Values.files.persistence.accessMode "ReadWriteMany")) -}}
{{- fail (printf "%d pods of the %s share uploaded files: set files.url to an object store (s3://bucket/prefix), or files.persistence.accessMode to ReadWriteMany, or components.%s.replicas to 1" $pods (include "yunsong.door" .) (include "yunsong.door" .)) -}}
{{- end -}}
{{- range $name, $component := fromYaml (include "yunsong.components" .) -}}
{{- if le (int $component.terminationGracePeriodSeconds) (add 5 (int $component.graceSeconds)) -}}
{{- fail (printf "components.%s: terminationGracePeriodSeconds must be more than graceSeconds and 5 s for the endpoints to follow" $name) -}}
{{- end -}}
{{- if and $component.autoscaling.enabled (gt (int $component.autoscaling.minReplicas) (int $component.autoscaling.maxReplicas)) -}}
{{- fail (printf "components.%s.autoscaling: minReplicas is above maxReplicas" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
