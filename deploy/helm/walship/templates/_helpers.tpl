{{- define "walship.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "walship.selectorLabels" -}}
app.kubernetes.io/name: walship
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "walship.labels" -}}
{{ include "walship.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What must not be installed: it would lose WAL, or could not start. */}}
{{- define "walship.check" -}}
{{- if not .Values.postgres.connection -}}
{{- fail "postgres.connection is empty: give a connection string without a password" -}}
{{- end -}}
{{- if and (ne .Values.ack "archived") (ne .Values.storage.kind "persistent") -}}
{{- fail "storage.kind is not persistent, so the directory goes with the pod: set ack=archived" -}}
{{- end -}}
{{- if and (eq .Values.ack "archived") (not .Values.store.url) -}}
{{- fail "ack=archived needs store.url" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (ne .Values.ack "archived") -}}
{{- fail "with ack=flushed the server forgets WAL that only one replica's volume has, and the other one would find a gap: set ack=archived, or replicas=1" -}}
{{- end -}}
{{- if and .Values.prometheusRule.enabled (not .Values.prometheusRule.rules) -}}
{{- fail "prometheusRule.rules is empty: --set-file prometheusRule.rules=deploy/prometheus/walship-alerts.yml" -}}
{{- end -}}
{{- end -}}
