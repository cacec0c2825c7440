"use strict";(self.rspackChunkcollaboratory=self.rspackChunkcollaboratory||[]).push([[968],{25(r,e,t){var o=t(26),a=t.n(o),n=t(27),c=(t.n(n))()(a());c.push([r.id,`.collaboratory-RoomStatus {
  display: flex;
  align-items: center;
  gap: 4px;
  white-space: nowrap;
}

.collaboratory-RoomStatus.lm-mod-hidden {
  display: none;
}

.collaboratory-RoomStatus[data-state="offline"],
.collaboratory-RoomStatus[data-state="over"] {
  background: var(--jp-warn-color0);
  color: var(--jp-ui-inverse-font-color0);
  padding: 0 6px;
}

.collaboratory-Person {
  width: 8px;
  height: 8px;
  border-radius: 50%;
  background: var(--collaboratory-person, var(--jp-ui-font-color2));
}

.collaboratory-CellRunner {
  margin-left: calc(var(--jp-cell-prompt-width) + 2 * var(--jp-cell-padding));
  padding: 2px 8px;
  border-left: 3px solid var(--collaboratory-person, var(--jp-border-color1));
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size1);
}


.collaboratory-nearly-full {
  color: var(--jp-warn-color0);
  font-weight: bold;
}

.collaboratory-Plotly {
  width: 100%;
  overflow: hidden;
}
`,""]),t.d(e,{},{A:c})},27(r){r.exports=function(r){var e=[];return e.toString=function(){return this.map(function(e){var t="",o=void 0!==e[5];return e[4]&&(t+="@supports (".concat(e[4],") {")),e[2]&&(t+="@media ".concat(e[2]," {")),o&&(t+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),t+=r(e),o&&(t+="}"),e[2]&&(t+="}"),e[4]&&(t+="}"),t}).join("")},e.i=function(r,t,o,a,n){"string"==typeof r&&(r=[[null,r,void 0]]);var c={};if(o)for(var i=0;i<this.length;i++){var l=this[i][0];null!=l&&(c[l]=!0)}for(var s=0;s<r.length;s++){var u=[].concat(r[s]);o&&c[u[0]]||(void 0!==n&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=n),t&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=t),a&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=a):u[4]="".concat(a)),e.push(u))}},e}},26(r){r.exports=function(r){return r[1]}},19(r){var e=[];function t(r){for(var t=-1,o=0;o<e.length;o++)if(e[o].identifier===r){t=o;break}return t}function o(r,o){for(var a={},n=[],c=0;c<r.length;c++){var i=r[c],l=o.base?i[0]+o.base:i[0],s=a[l]||0,u="".concat(l," ").concat(s);a[l]=s+1;var p=t(u),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==p)e[p].references++,e[p].updater(d);else{var f=function(r,e){var t=e.domAPI(e);return t.update(r),function(e){e?(e.css!==r.css||e.media!==r.media||e.sourceMap!==r.sourceMap||e.supports!==r.supports||e.layer!==r.layer)&&t.update(r=e):t.remove()}}(d,o);o.byIndex=c,e.splice(c,0,{identifier:u,updater:f,references:1})}n.push(u)}return n}r.exports=function(r,a){var n=o(r=r||[],a=a||{});return function(r){r=r||[];for(var c=0;c<n.length;c++){var i=t(n[c]);e[i].references--}for(var l=o(r,a),s=0;s<n.length;s++){var u=t(n[s]);0===e[u].references&&(e[u].updater(),e.splice(u,1))}n=l}}},21(r){var e={};r.exports=function(r,t){var o=function(r){if(void 0===e[r]){var t=document.querySelector(r);if(window.HTMLIFrameElement&&t instanceof window.HTMLIFrameElement)try{t=t.contentDocument.head}catch(r){t=null}e[r]=t}return e[r]}(r);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(t)}},23(r){r.exports=function(r){var e=document.createElement("style");return r.setAttributes(e,r.attributes),r.insert(e,r.options),e}},22(r,e,t){r.exports=function(r){var e=t.nc;e&&r.setAttribute("nonce",e)}},20(r){r.exports=function(r){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=r.insertStyleElement(r);return{update:function(t){var o,a,n;o="",t.supports&&(o+="@supports (".concat(t.supports,") {")),t.media&&(o+="@media ".concat(t.media," {")),(a=void 0!==t.layer)&&(o+="@layer".concat(t.layer.length>0?" ".concat(t.layer):""," {")),o+=t.css,a&&(o+="}"),t.media&&(o+="}"),t.supports&&(o+="}"),(n=t.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(n))))," */")),r.styleTagTransform(o,e,r.options)},remove:function(){var r;null===(r=e).parentNode||r.parentNode.removeChild(r)}}}},24(r){r.exports=function(r,e){if(e.styleSheet)e.styleSheet.cssText=r;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(r))}}},18(r,e,t){var o=t(19),a=t.n(o),n=t(20),c=t.n(n),i=t(21),l=t.n(i),s=t(22),u=t.n(s),p=t(23),d=t.n(p),f=t(24),v=t.n(f),h=t(25),m={};m.styleTagTransform=v(),m.setAttributes=u(),m.insert=l().bind(null,"head"),m.domAPI=c(),m.insertStyleElement=d(),a()(h.A,m),h.A&&h.A.locals&&h.A.locals}}]);