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
{{ default $image.registry .root.Values.global.imageRegistry }}{{ $image.repository }}-{{ .component }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "yunsong.pullSecrets" -}}
{{- with concat .Values.image.pullSecrets .Values.global.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
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

{{/* The components that run in this topology, with their values: defaults, then their own. While a backup is restored none has pods. */}}
{{- define "yunsong.components" -}}
{{- $found := dict -}}
{{- range $name, $own := .Values.components -}}
{{- if eq (eq $name "standalone") (eq $.Values.topology "compact") -}}
{{- $component := mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own) -}}
{{- if $.Values.restore.from -}}
{{- $_ := set $component "replicas" 0 -}}
{{- $_ := set $component.autoscaling "enabled" false -}}
{{- end -}}
{{- $_ := set $found $name $component -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* The most pods that a component can have, and the fewest. */}}
{{- define "yunsong.maxPods" -}}
{{- if .autoscaling.enabled -}}{{ .autoscaling.maxReplicas }}{{- else -}}{{ .replicas }}{{- end -}}
{{- end -}}
{{- define "yunsong.minPods" -}}
{{- if .autoscaling.enabled -}}{{ .autoscaling.minReplicas }}{{- else -}}{{ .replicas }}{{- end -}}
{{- end -}}

{{/* The component that is the public door. */}}
{{- define "yunsong.door" -}}
{{- if eq .Values.topology "compact" -}}standalone{{- else -}}gateway{{- end -}}
{{- end -}}

{{- define "yunsong.keysSecret" -}}
{{- default (printf "%s-keys" (include "yunsong.fullname" .)) .Values.keys.existingSecret -}}
{{- end -}}

{{- define "yunsong.firstSignInSecret" -}}
{{- default (printf "%s-first-sign-in" (include "yunsong.fullname" .)) .Values.firstAdministrator.existingSecret -}}
{{- end -}}

{{/* The chart's own PostgreSQL and NATS: their Service, their Secret. */}}
{{- define "yunsong.ownServer" -}}
{{- printf "%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") .server -}}
{{- end -}}

{{- define "yunsong.databaseSecret" -}}
{{- if .Values.postgresql.enabled -}}
{{- default (include "yunsong.ownServer" (dict "root" . "server" "postgresql")) .Values.postgresql.existingSecret -}}
{{- else -}}
{{- .Values.database.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "yunsong.natsSecret" -}}
{{- if .Values.nats.enabled -}}
{{- default (include "yunsong.ownServer" (dict "root" . "server" "nats")) .Values.nats.existingSecret -}}
{{- else -}}
{{- .Values.messaging.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* Where files and backups are; empty when in an object store. */}}
{{- define "yunsong.filesClaim" -}}
{{- if not .Values.files.url -}}
{{- default (printf "%s-files" (include "yunsong.fullname" .)) .Values.files.persistence.existingClaim -}}
{{- end -}}
{{- end -}}

{{- define "yunsong.backupClaim" -}}
{{- if not .Values.backup.url -}}
{{- default (printf "%s-backup" (include "yunsong.fullname" .)) .Values.backup.persistence.existingClaim -}}
{{- end -}}
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
